//! Files of the index are deleted, replaced, cut or overwritten under the server.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::scene::{A_WHILE, FLUSHED_SOON, Scene, index_figure};
use crate::support::served::Served;
use crate::support::traffic::Traffic;

/// Damages the index under the server, which must give it up and fold it anew.
fn damage(meddle: impl FnOnce(&Path)) {
    let scene = Scene::begin(&FLUSHED_SOON);
    std::thread::sleep(A_WHILE);
    meddle(&scene.server.index_file());
    scene.server.wait_for("given up", |stats| {
        read_by_many(&scene.server);
        index_figure(stats, "apply_failures") > 0
    });
    let stats = scene.end();
    assert_eq!(index_figure(&stats, "apply_failures"), 1, "{stats:#}");
}

/// Reads by so many at once that not all of them find a connection with pages in its cache.
fn read_by_many(server: &Served) {
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| server.try_get("/events?topic=topic-1"));
        }
    });
}

/// The runs that are there now.
fn run_files(index_file: &Path) -> Vec<PathBuf> {
    let directory = index_file.parent().expect("a directory");
    let entries = fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "run"))
        .collect()
}

fn overwrite(path: &Path) -> File {
    OpenOptions::new().write(true).open(path).unwrap()
}

#[test]
fn a_deleted_index_is_folded_anew() {
    damage(|file| fs::remove_file(file).unwrap());
}

#[test]
fn a_deleted_wal_is_noticed() {
    damage(|file| fs::remove_file(file.with_extension("sqlite3-wal")).unwrap());
}

#[test]
fn a_deleted_directory_is_made_again() {
    damage(|file| fs::remove_dir_all(file.parent().unwrap()).unwrap());
}

#[test]
fn an_index_replaced_by_garbage_is_folded_anew() {
    damage(|file| {
        let other = file.with_extension("other");
        fs::write(&other, [0xa5; 40_000]).unwrap();
        fs::rename(other, file).unwrap();
    });
}

#[test]
fn an_index_replaced_by_a_part_of_itself_is_folded_anew() {
    damage(|file| {
        let other = file.with_extension("other");
        let whole = fs::read(file).unwrap();
        fs::write(&other, &whole[..whole.len() / 2]).unwrap();
        fs::rename(other, file).unwrap();
    });
}

#[test]
fn an_emptied_index_is_folded_anew() {
    damage(|file| overwrite(file).set_len(0).unwrap());
}

#[test]
fn an_index_cut_to_a_page_is_folded_anew() {
    damage(|file| overwrite(file).set_len(4096).unwrap());
}

#[test]
fn an_index_cut_in_half_is_folded_anew() {
    damage(|file| {
        let bytes = fs::metadata(file).unwrap().len();
        overwrite(file).set_len(bytes / 2).unwrap();
    });
}

#[test]
fn an_index_overwritten_with_garbage_is_folded_anew() {
    damage(|file| {
        let bytes = fs::metadata(file).unwrap().len() as usize;
        overwrite(file).write_all_at(&vec![0xa5; bytes], 0).unwrap();
    });
}

fn flip_a_bit_in_every_page(path: &Path) {
    // A run may have been merged meanwhile.
    let Ok(mut bytes) = fs::read(path) else {
        return;
    };
    let file = OpenOptions::new().write(true).open(path);
    for (number, page) in bytes.chunks_mut(4096).enumerate() {
        // Not at the same place in each, and past the page's own header.
        let place = (100 + number * 811 % 3900).min(page.len() - 1);
        page[place] ^= 1 << (number % 8);
        let at = (number * 4096 + place) as u64;
        if let Ok(file) = &file {
            file.write_all_at(&page[place..=place], at).unwrap();
        }
    }
}

#[test]
fn a_bit_flipped_in_every_page_is_never_a_wrong_verdict() {
    damage(flip_a_bit_in_every_page);
}

#[test]
fn a_bit_flipped_in_every_block_of_the_runs_is_never_a_wrong_verdict() {
    damage(|file| {
        let runs = run_files(file);
        assert!(!runs.is_empty());
        runs.iter().for_each(|run| flip_a_bit_in_every_page(run));
    });
}

#[test]
fn runs_overwritten_with_garbage_are_folded_anew() {
    damage(|file| {
        for run in run_files(file) {
            let bytes = fs::metadata(&run).map_or(0, |found| found.len());
            if let Ok(file) = OpenOptions::new().write(true).open(run) {
                file.write_all_at(&vec![0xa5; bytes as usize], 0).unwrap();
            }
        }
    });
}

#[test]
fn deleted_runs_are_folded_anew() {
    damage(|file| {
        let removed = run_files(file).into_iter().map(fs::remove_file);
        assert!(removed.filter(Result::is_ok).count() > 0);
    });
}

#[test]
fn damage_is_healed_also_when_only_readers_meet_it() {
    let Scene {
        server,
        traffic,
        disk,
        directory,
    } = Scene::begin(&FLUSHED_SOON);
    std::thread::sleep(A_WHILE);
    let book = traffic.stop();
    server.wait_until_flushed();
    // For the checkpoint, so that nothing is read from the WAL.
    std::thread::sleep(A_WHILE);
    overwrite(&server.index_file()).set_len(8192).unwrap();
    server.wait_for("given up", |stats| {
        read_by_many(&server);
        index_figure(stats, "apply_failures") > 0
    });
    server.wait_until_well();
    let traffic = Traffic::start(&server, book);
    Scene {
        server,
        traffic,
        disk,
        directory,
    }
    .end();
}
