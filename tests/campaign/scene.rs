//! Stores for scripts to begin with.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use tempfile::TempDir;

use crate::client::Client;
use crate::history::Attempt;
use crate::points::{CHANGING, Point, STAGES, Stage, points_in};
use crate::process::{Oncelog, Starting, serve_command};
use crate::script::{OPTIONS, Script, ends_unknown, tear_last_frame};
use crate::strace::{self, Plan, attach};

/// How many batches a store has got that was killed, and how many more come after it.
const BEFORE: u32 = 14;
const AFTER: u32 = 4;
/// For a batch that nothing stands in the way of.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a script of a stage begins, and what is known then.
pub(crate) struct Begun {
    pub(crate) script: Script,
    pub(crate) history: Mutex<Vec<Attempt>>,
    /// How far it goes in this stage.
    pub(crate) end: u32,
}

/// A script, and a store that was killed in the midst of it.
pub(crate) struct Scene {
    dir: TempDir,
    fresh: Script,
    killed: Script,
    history: Vec<Attempt>,
}

impl Scene {
    /// None where that is not possible.
    pub(crate) fn new(seed: u64) -> Option<Scene> {
        let dir = tempfile::tempdir().expect("a directory");
        let fresh = Script::new(seed);
        let mut killed = fresh.clone();
        let history = Mutex::default();
        let data_dir = dir.path().join("killed");
        let mut server = Oncelog::start_with(&data_dir, &OPTIONS);
        let sent = killed.send_until(BEFORE, &mut server, PATIENCE, &history);
        assert!(sent, "{}", server.stderr());
        let plan = Plan::on("fdatasync", "signal=KILL:when=1");
        let _attached = attach(server.pid(), "committer", &plan)?;
        killed.send_once(&Client::new(server.address), &history);
        assert_eq!(server.ended().code, None, "it was killed");
        let history = history.into_inner().expect("nobody panicked");
        assert!(ends_unknown(&history), "a batch was in flight");
        tear_last_frame(&data_dir);
        Some(Scene {
            dir,
            fresh,
            killed,
            history,
        })
    }

    /// Puts the store there that this stage begins with.
    pub(crate) fn begin(&self, stage: Stage, data_dir: &Path) -> Begun {
        if stage == Stage::Life {
            return Begun {
                end: self.fresh.batches(),
                script: self.fresh.clone(),
                history: Mutex::default(),
            };
        }
        let copied = Command::new("cp")
            .arg("-a")
            .arg(self.dir.path().join("killed"))
            .arg(data_dir)
            .status();
        assert!(copied.is_ok_and(|status| status.success()), "a copy");
        if stage == Stage::Rebuild {
            std::fs::remove_dir_all(data_dir.join("index")).expect("the index goes away");
        }
        Begun {
            script: self.killed.clone(),
            history: Mutex::new(self.history.clone()),
            end: BEFORE + AFTER,
        }
    }

    /// All points of all stages.
    pub(crate) fn points(&self) -> Option<Vec<Point>> {
        let mut points = Vec::new();
        for stage in STAGES {
            let dir = tempfile::tempdir().expect("a directory");
            let record = self.record(stage, dir.path())?;
            points.extend(points_in(&record, stage));
        }
        Some(points)
    }

    /// The calls of a script to which nothing happens.
    fn record(&self, stage: Stage, dir: &Path) -> Option<PathBuf> {
        let (data_dir, record) = (dir.join("data"), dir.join("record"));
        let mut begun = self.begin(stage, &data_dir);
        let serve = serve_command(&data_dir, &OPTIONS);
        let serve = strace::recorded(&serve, &CHANGING, &record)?;
        let mut server = Starting::spawn(serve).ready();
        let played = begun
            .script
            .play(begun.end, &mut server, PATIENCE, &begun.history);
        assert!(played, "{}", server.stderr());
        assert_eq!(server.terminate().code, Some(0));
        Some(record)
    }
}
