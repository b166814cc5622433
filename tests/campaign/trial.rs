//! One case: a script to which it happens, a restart to which nothing does, and a look at
//! all that is there.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::cases::{Case, Fault};
use crate::checker::check_settled;
use crate::history::{Attempt, Outcome};
use crate::look::look;
use crate::process::{Ended, Oncelog, PATIENCE, Starting, command, run_command, serve_command};
use crate::random::Random;
use crate::scene::{Begun, Scene};
use crate::script::{OPTIONS, Script};
use crate::strace::{self, Plan};

/// How long a batch is sent again and again while faults last.
const WHILE_FAULTS_LAST: Duration = Duration::from_secs(2);
/// Calls at which a restart is killed in its turn.
const OF_A_RESTART: [&str; 6] = [
    "pwrite64",
    "fdatasync",
    "fsync",
    "openat",
    "rename",
    "unlink",
];

/// What came of cases.
#[allow(dead_code, reason = "of some only who reads them as text")]
#[derive(Copy, Clone, Debug, Default)]
pub(crate) struct Tried {
    pub(crate) cases: u64,
    /// It happened: the script came so far.
    pub(crate) met: u64,
    /// The server was killed, ended with a code that is not 0, or went on to its orderly stop.
    pub(crate) killed: u64,
    pub(crate) gave_up: u64,
    pub(crate) went_on: u64,
    /// Restarts that were killed as well.
    pub(crate) killed_again: u64,
    /// Requests that nobody answered, and those that were refused.
    pub(crate) unknown: u64,
    pub(crate) refused: u64,
    /// Events in the logs at the end.
    pub(crate) events: u64,
}

impl Tried {
    pub(crate) fn add(&mut self, other: Tried) {
        self.cases += other.cases;
        self.met += other.met;
        self.killed += other.killed;
        self.gave_up += other.gave_up;
        self.went_on += other.went_on;
        self.killed_again += other.killed_again;
        self.unknown += other.unknown;
        self.refused += other.refused;
        self.events += other.events;
    }
}

/// Tries it in an empty directory. `history` gets all that publishers know, also when this
/// panics because something is wrong. None where it cannot be tried.
pub(crate) fn try_case(
    scene: &Scene,
    case: &Case,
    seed: u64,
    dir: &Path,
    history: &Mutex<Vec<Attempt>>,
) -> Option<Tried> {
    let data_dir = dir.join("data");
    let Begun {
        mut script,
        history: before,
        end,
    } = scene.begin(case.point.stage, &data_dir);
    *lock(history) = before.into_inner().unwrap_or_else(PoisonError::into_inner);
    let told = dir.join("told");
    let ended = befall(case, &mut script, end, &data_dir, &told, history)?;
    std::fs::write(dir.join("stderr"), &ended.stderr).expect("a file");
    let told = std::fs::read_to_string(told).unwrap_or_default();
    let is_met = ["INJECTED", "DELAYED", "killed by SIGKILL"]
        .iter()
        .any(|word| told.contains(word));
    let mut tried = Tried {
        cases: 1,
        met: is_met.into(),
        ..Tried::default()
    };
    match ended.code {
        None if case.fault == Fault::Kill => tried.killed = 1,
        Some(0) => tried.went_on = 1,
        // It says why; the loader, before there is a program, in its own way.
        Some(1..=3 | 127) if case.fault != Fault::Kill && !ended.stderr.is_empty() => {
            tried.gave_up = 1;
        }
        code => panic!("{case}: it ended with {code:?}: {}", ended.stderr),
    }
    let is_poisoned = is_met && poisons(case);
    assert!(
        !is_poisoned || tried.gave_up == 1,
        "{case}: a write or a sync of the log has failed, and it went on: {}",
        ended.stderr
    );
    assert!(
        !ended.stderr.contains("panicked"),
        "{case}: {}",
        ended.stderr
    );

    let mut random = Random::new(seed ^ number_of(&case.to_string()));
    if random.percent(50) {
        kill_a_restart(&data_dir, &mut random)?;
        tried.killed_again = 1;
    }
    tried.events = judge(case, &mut script, end, &data_dir, history);
    for attempt in lock(history).iter() {
        match attempt.outcome {
            Outcome::Unknown => tried.unknown += 1,
            Outcome::Refused(_) => tried.refused += 1,
            Outcome::Durable { .. } | Outcome::Judged(_) => {}
        }
    }
    Some(tried)
}

/// Whether a log takes no more writes after it: what a sync did that failed nobody knows, and
/// the next one may succeed without the data. A disk that is full may only have had no room.
fn poisons(case: &Case) -> bool {
    let is_of_log = case.point.thread == Some("committer")
        && matches!(case.point.call, "pwrite64" | "fdatasync" | "fsync");
    is_of_log && matches!(case.fault, Fault::Error("EIO", _))
}

/// Plays the script while it happens, and stops what goes on after it.
fn befall(
    case: &Case,
    script: &mut Script,
    end: u32,
    data_dir: &Path,
    told: &Path,
    history: &Mutex<Vec<Attempt>>,
) -> Option<Ended> {
    let point = &case.point;
    let plan = Plan::on(point.call, &case.fault.at(point.nth)).told_in(told);
    let serve = serve_command(data_dir, &OPTIONS);
    let serve = match point.thread {
        None => strace::command_itself(&serve, &plan)?,
        Some(_) => serve,
    };
    let mut server = match Starting::spawn(serve).ready_or_ended() {
        Ok(server) => server,
        Err(ended) => return Some(ended),
    };
    let _attached = match point.thread {
        None => None,
        Some(thread) => Some(strace::attach(server.pid(), thread, &plan)?),
    };
    script.play(end, &mut server, WHILE_FAULTS_LAST, history);
    Some(match server.has_ended() {
        true => server.ended(),
        false => server.terminate(),
    })
}

/// A restart that is killed at a call, or right after it if it makes fewer.
fn kill_a_restart(data_dir: &Path, random: &mut Random) -> Option<()> {
    let call = OF_A_RESTART[random.between(0, OF_A_RESTART.len() as u64 - 1) as usize];
    let nth = random.between(1, 16) as u32;
    let plan = Plan::on(call, &Fault::Kill.at(nth));
    let serve = strace::command_itself(&serve_command(data_dir, &OPTIONS), &plan)?;
    if let Ok(server) = Starting::spawn(serve).ready_or_ended() {
        server.kill();
    }
    Some(())
}

/// Nothing happens any more: all that was acknowledged is there, and what was begun comes to its
/// end. Gives how many events there are then.
fn judge(
    case: &Case,
    script: &mut Script,
    end: u32,
    data_dir: &Path,
    history: &Mutex<Vec<Attempt>>,
) -> u64 {
    let mut server = Oncelog::start_with(data_dir, &OPTIONS);
    look(
        &server,
        data_dir,
        history,
        &format!("{case}: after it"),
        false,
    );
    let played = script.play(end, &mut server, PATIENCE, history);
    assert!(played, "{case}: {}", server.stderr());
    let stats = look(
        &server,
        data_dir,
        history,
        &format!("{case}: at the end"),
        true,
    );
    assert_eq!(check_settled(&lock(history)), [], "{case}");
    let ended = server.terminate();
    assert_eq!(ended.code, Some(0), "{case}: {}", ended.stderr);
    let mut verify = command();
    verify.arg("verify").arg("--data-dir").arg(data_dir);
    let verified = run_command(verify);
    assert_eq!(
        verified.code,
        Some(0),
        "{case}: {}{}",
        String::from_utf8_lossy(&verified.stdout),
        verified.stderr
    );
    stats.received
}

fn lock(history: &Mutex<Vec<Attempt>>) -> std::sync::MutexGuard<'_, Vec<Attempt>> {
    history.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number for a text.
fn number_of(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |number, byte| {
        (number ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
