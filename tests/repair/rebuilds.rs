//! What a rebuild that was killed has left, as a repair finds it.

use std::fs;

use serde_json::json;

use crate::scene::{Scene, lost, says, shown};
use crate::store::segments;
use crate::tree::names;

/// Between its renames no index is in its place, and it is proof all the same.
#[test]
fn an_index_that_a_rebuild_left_under_another_name_is_used_by_the_plan() {
    for name in ["index.ready", "index.replaced"] {
        let scene = Scene::new();
        let last = segments(scene.path()).pop().expect("a segment");
        fs::remove_file(last).expect("it");
        fs::rename(scene.path().join("index"), scene.path().join(name)).expect("it");
        let planned = says(scene.path(), &[], 1);
        assert_eq!(
            planned["old_index"],
            json!({ "state": "usable", "flushed_seq": 90 }),
            "{name}"
        );
        assert_eq!(lost(&planned), [(61, 90)], "{name}");
        assert_eq!(planned["rebuild_dirs"], json!([name]));
        let text = shown(scene.path(), &[], 1);
        let note = format!("a rebuild was stopped, and what it left is put in order: {name}\n");
        assert!(text.contains(&note), "{text}");
        let said = says(scene.path(), &["--yes"], 0);
        assert_eq!(lost(&said), [(61, 90)], "{name}");
        let left = names(scene.path());
        assert_eq!(left[..3], ["index", "lock", "log"]);
        assert!(
            left[3].starts_with("set-aside-2") && left.len() == 4,
            "{left:?}"
        );
    }
}
