//! `oncelog serve`: from options to a running server, and to an end with the right exit code.
//!
//! 0 drained; 1 poisoned, or something inside failed; 2 wrong use, data directory in use or not
//! to be used, port taken; 3 refused because of what lies in the data directory.

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::damage_report::RefusedStart;
use super::logging;
use super::stops::Stops;
use crate::config::{ServeConfig, ServeOptions, unknown_variables};
use crate::http::{HttpOptions, Served, serve as serve_http, serve_opening};
use crate::store::{OpenError, OpenFailure, Store, StoreOptions};

/// For the help.
pub const EXAMPLE: &str = "\
Examples:
  oncelog serve --data-dir /var/lib/oncelog --listen 127.0.0.1:8080
  ONCELOG_DATA_DIR=/data ONCELOG_LISTEN=0.0.0.0:8080 oncelog serve";

/// Between the first refusal and the exit of a poisoned process, so that it is read.
const POISONED_DRAIN: Duration = Duration::from_secs(1);
/// Beyond the drain time: for applying what is durable and for the index's last flush.
const CLOSE: Duration = Duration::from_millis(1000);
/// Beyond that, a disk that does not answer is not waited for.
const GIVE_UP: Duration = Duration::from_millis(500);
/// Between opening and serving, for answers under way.
const OPENING_DRAIN: Duration = Duration::from_millis(200);

/// Without one of these threads the store stands still, so the process must not go on.
const VITAL_THREADS: [&str; 4] = ["committer", "replayer", "room", "index-flush"];

const FAILED: u8 = 1;
const UNUSABLE: u8 = 2;
const REFUSED: u8 = 3;

/// Serves until it is told to stop. `given` are the options that were not left at their
/// defaults, for the log.
pub fn run(options: &ServeOptions, given: &[String]) -> ExitCode {
    let config = match options.validate() {
        Ok(config) => config,
        Err(error) => {
            super::say_error(&error);
            return ExitCode::from(UNUSABLE);
        }
    };
    if !given.is_empty() {
        tracing::info!("options: {}", given.join(" "));
    }
    for name in unknown_variables(std::env::vars_os().map(|(name, _)| name)) {
        tracing::warn!("{name} is not a variable that oncelog knows");
    }
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    raise_open_files();
    end_with_vital_threads();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            super::say_error(&error);
            return ExitCode::from(FAILED);
        }
    };
    let code = runtime.block_on(serve(config));
    // Blocking reads for clients that no longer listen are not waited for.
    runtime.shutdown_background();
    code
}

async fn serve(config: ServeConfig) -> ExitCode {
    let mut stops = match Stops::new() {
        Ok(stops) => stops,
        Err(error) => {
            super::say(&format!("signals cannot be received: {error}"));
            return ExitCode::from(FAILED);
        }
    };
    let mut listeners = Vec::new();
    for address in &config.listen {
        match TcpListener::bind(address)
            .await
            .and_then(TcpListener::into_std)
        {
            Ok(listener) => listeners.push(listener),
            Err(error) => {
                super::say(&format!("cannot listen on {address}: {error}"));
                return ExitCode::from(UNUSABLE);
            }
        }
    }
    let drain = config.store.drain;
    let data_dir = config.store.data_dir.clone();
    let opened = tokio::select! {
        opened = open(&listeners, config.http.clone(), config.store) => opened,
        // Nothing was taken yet, and opening may be broken off at any point.
        signal = stops.next() => {
            tracing::info!("stopped by {signal} while the store was being opened; exit code 0");
            logging::exit(0)
        }
    };
    let store = match opened {
        Ok(store) => store,
        Err(refused) => return refused_with_report(refused, &data_dir, &mut stops).await,
    };
    tracing::info!(
        "oncelog {} serves log {} on {} from {}: {}",
        env!("CARGO_PKG_VERSION"),
        store.log_id(),
        addresses(&listeners).join(" and "),
        data_dir.display(),
        store.start_report(),
    );
    let serving_on = match tokio_listeners(&listeners) {
        Ok(serving_on) => serving_on,
        Err(error) => {
            super::say_error(&error);
            return ExitCode::from(FAILED);
        }
    };
    // The last handles must be the server's: when it lets go of them, connections are refused.
    drop(listeners);

    let (told, stopping_since) = oneshot::channel();
    let until_told = {
        let store = store.clone();
        async move {
            tokio::select! {
                // Whoever waits is refused before the process ends.
                _ = store.poisoned() => {}
                signal = stops.next() => {
                    tracing::info!(
                        "draining: {signal} was received; no more is taken, what is in flight is answered"
                    );
                }
            }
            store.drain();
            // The receiver lives until the end of this function.
            let _ = told.send(Instant::now());
        }
    };
    let mut http = config.http;
    http.drain = drain;
    let serving = serve_http(serving_on, store.clone(), http, until_told);
    let poisoned = async {
        store.poisoned().await;
        tokio::time::sleep(POISONED_DRAIN).await;
    };
    tokio::select! {
        () = poisoned => {}
        served = serving => {
            let Served { in_flight, abandoned } = served;
            if abandoned > 0 {
                tracing::warn!("draining is over: {abandoned} connections did not end in time and were cut");
            } else {
                tracing::info!("draining is over: {in_flight} requests were in flight and are answered");
            }
        }
    }
    let since = stopping_since.await.unwrap_or_else(|_| Instant::now());
    stop(store, since, drain + CLOSE).await
}

/// Opens the store while connections are told that it is being opened.
async fn open(
    listeners: &[std::net::TcpListener],
    http: HttpOptions,
    options: StoreOptions,
) -> Result<Arc<Store>, Refused> {
    let opening = HttpOptions {
        drain: OPENING_DRAIN,
        ..http
    };
    let (tell, hears) = oneshot::channel::<()>();
    let answering = tokio_listeners(listeners).map(|listeners| {
        tokio::spawn(serve_opening(listeners, opening, async {
            // Dropped or sent, it is over.
            let _ = hears.await;
        }))
    });
    let opened = tokio::task::spawn_blocking(move || Store::open(options)).await;
    drop(tell);
    if let Ok(answering) = answering {
        // If it panicked, it has ended too.
        let _ = answering.await;
    }
    match opened {
        Ok(Ok(store)) => Ok(Arc::new(store)),
        Ok(Err(error)) => Err(Refused {
            code: refused(&error),
            is_of_damage: error.is_of_damage(),
        }),
        Err(error) => {
            super::say_error(&error);
            Err(Refused {
                code: FAILED,
                is_of_damage: false,
            })
        }
    }
}

/// A store that could not be opened; why was said.
struct Refused {
    code: u8,
    is_of_damage: bool,
}

/// Ends a start that was refused. A signal breaks the report off, and changes nothing of why the
/// start was refused.
async fn refused_with_report(refused: Refused, data_dir: &Path, stops: &mut Stops) -> ExitCode {
    let Refused { code, is_of_damage } = refused;
    if is_of_damage {
        let report = RefusedStart::new(data_dir);
        let scratch = report.scratch();
        tokio::select! {
            // A panic was reported when it happened.
            _ = tokio::task::spawn_blocking(move || report.say()) => {}
            _ = stops.next() => {
                if let Some(scratch) = scratch {
                    // If this fails, who empties the system's temporary directory does it.
                    let _ = std::fs::remove_dir_all(scratch);
                }
                logging::exit(i32::from(code))
            }
        }
    }
    ExitCode::from(code)
}

/// Leaves log and index clean, unless the log is poisoned or the disk does not answer.
async fn stop(store: Arc<Store>, since: Instant, patience: Duration) -> ExitCode {
    if store.is_poisoned() {
        // The disk decides at the restart; nothing more may be written, by no destructor either.
        tracing::error!(
            "stopped: the log is poisoned, the next start decides from the disk; exit code 1"
        );
        logging::exit(i32::from(FAILED));
    }
    let until = since + patience;
    let last = until + GIVE_UP;
    let stopping = tokio::task::spawn_blocking(move || {
        store.stop(until);
        store.is_poisoned()
    });
    match tokio::time::timeout_at(last.into(), stopping).await {
        Ok(Ok(false)) => {
            let seconds = since.elapsed().as_secs_f64();
            tracing::info!("stopped, the log is clean, after {seconds:.1} s; exit code 0");
            ExitCode::SUCCESS
        }
        Ok(Ok(true) | Err(_)) => {
            tracing::error!(
                "stopped: the last writes failed, the next start recovers; exit code 1"
            );
            logging::exit(i32::from(FAILED))
        }
        Err(_) => {
            tracing::error!(
                "stopped: the disk does not answer in time, the next start recovers; exit code 1"
            );
            logging::exit(i32::from(FAILED))
        }
    }
}

fn addresses(listeners: &[std::net::TcpListener]) -> Vec<String> {
    listeners
        .iter()
        .filter_map(|listener| listener.local_addr().ok())
        .map(|address| format!("http://{address}"))
        .collect()
}

/// Further handles of the same listening sockets.
fn tokio_listeners(listeners: &[std::net::TcpListener]) -> io::Result<Vec<TcpListener>> {
    listeners
        .iter()
        .map(|listener| TcpListener::from_std(listener.try_clone()?))
        .collect()
}

fn refused(error: &OpenError) -> u8 {
    super::say_error(error);
    if let Some(advice) = error.advice() {
        super::say(advice);
    }
    match error.kind() {
        OpenFailure::Refused => REFUSED,
        OpenFailure::Unusable => UNUSABLE,
        OpenFailure::Failed => FAILED,
    }
}

/// As many open files as the system allows: connections and segments need them.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::warn!(
            "the limit of open files stays at {:?}: {error}",
            limit.current
        );
    }
}

/// A panic in a thread that the store cannot do without ends the process: a store that takes
/// requests and never answers them is worse than one that restarts.
fn end_with_vital_threads() {
    std::panic::set_hook(Box::new(move |panic| {
        logging::panicked(panic);
        let thread = std::thread::current();
        if thread
            .name()
            .is_some_and(|name| VITAL_THREADS.contains(&name))
        {
            logging::exit(i32::from(FAILED));
        }
    }));
}
