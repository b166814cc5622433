//! Risk: a verdict, a counter or an answer that differs from what the log says, in any
//! mixture of frames, flushes, merges, crashes and restarts.

use proptest::prelude::*;

use super::super::options::Shape;
use super::super::{Index, IndexOptions};
use super::directory::{named_runs, names, run_files};
use super::model::{Frame, Model, tiny_options, tiny_shape};

#[derive(Clone, Debug)]
enum Step {
    Frame(Frame),
    FlushNow,
    CloseAndOpen,
    CrashAndReplay,
    CompareAll,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let sent = (0u8..5, 0u16..60, prop_oneof![4 => Just(0u8), 1 => 1u8..3]);
    let events = (any::<bool>(), proptest::collection::vec(sent, 0..30))
        .prop_map(|(native, sent)| Frame::Events(native, sent));
    let step = prop_oneof![
        12 => events.prop_map(Step::Frame),
        2 => (1u64..50).prop_map(|count| Step::Frame(Frame::Hole(count))),
        2 => Just(Step::FlushNow),
        1 => Just(Step::CloseAndOpen),
        2 => Just(Step::CrashAndReplay),
        1 => Just(Step::CompareAll),
    ];
    proptest::collection::vec(step, 1..50)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_index_always_answers_like_the_model(
        steps in steps(),
        filter_memory_bytes in prop_oneof![Just(0), 1u64..3000, Just(1 << 20)],
        postings_bytes in 1usize..300,
        merge_ratio in 2usize..4,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let open = |directory: &std::path::Path| {
            let options = IndexOptions { filter_memory_bytes, ..tiny_options() };
            let shape = Shape { postings_bytes, merge_ratio, ..tiny_shape() };
            Index::open_shaped(directory, super::model::LOG, options, shape)
        };
        let mut index = open(directory.path()).unwrap();
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Frame(frame) => {
                    model.take(frame);
                    model.replay_into(&index).unwrap();
                }
                Step::FlushNow => {
                    index.flush_now().unwrap();
                    prop_assert_eq!(index.flushed(), model.applied());
                }
                Step::CloseAndOpen => {
                    index.close().unwrap();
                    prop_assert_eq!(
                        Index::flushed_of(directory.path(), super::model::LOG).unwrap(),
                        Some(model.applied())
                    );
                    let runs = run_files(directory.path());
                    prop_assert_eq!(&runs, &named_runs(directory.path()));
                    let names = names(directory.path());
                    prop_assert_eq!(names.len(), 1 + runs.len());
                    index = open(directory.path()).unwrap();
                    prop_assert_eq!(index.applied(), model.applied());
                }
                Step::CrashAndReplay => {
                    drop(index);
                    index = open(directory.path()).unwrap();
                    prop_assert_eq!(index.applied(), index.flushed());
                    model.replay_into(&index).unwrap();
                }
                Step::CompareAll => model.compare(&index).unwrap(),
            }
        }
        model.compare(&index).unwrap();
        prop_assert_eq!(index.state().counters, model.counted());

        index.flush_now().unwrap();
        let rebuilt_in = tempfile::tempdir().unwrap();
        let rebuilt = open(rebuilt_in.path()).unwrap();
        model.replay_into(&rebuilt).unwrap();
        prop_assert_eq!(rebuilt.state(), index.state());
        model.compare(&rebuilt).unwrap();
        model.compare(&index).unwrap();
        prop_assert_eq!(index.damage(), None);
    }
}
