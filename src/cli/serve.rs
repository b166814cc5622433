//! `oncelog serve`: from options to a running server, and to an end with the right exit code.
//!
//! 0 drained; 1 poisoned, or something inside failed; 2 wrong use, data directory in use or not
//! to be used, port taken; 3 refused because of what lies in the data directory.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;

use crate::config::{ServeConfig, ServeOptions, unknown_variables};
use crate::http::serve as serve_http;
use crate::store::{OpenError, Store};

/// Between the last answer and the exit of a poisoned process, so that it is read.
const POISONED_DRAIN: Duration = Duration::from_secs(1);
/// Beyond the drain time, for the index's last flush.
const CLOSE: Duration = Duration::from_millis(1500);

const FAILED: u8 = 1;
const UNUSABLE: u8 = 2;
const REFUSED: u8 = 3;

/// Serves until it is told to stop.
pub fn run(options: &ServeOptions) -> ExitCode {
    let config = match options.validate() {
        Ok(config) => config,
        Err(error) => {
            super::say_error(&error);
            return ExitCode::from(UNUSABLE);
        }
    };
    for name in unknown_variables(std::env::vars_os().map(|(name, _)| name)) {
        tracing::warn!("{name} is not a variable that oncelog knows");
    }
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    raise_open_files();
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
    let mut listeners = Vec::new();
    for address in &config.listen {
        match TcpListener::bind(address).await {
            Ok(listener) => listeners.push(listener),
            Err(error) => {
                super::say(&format!("cannot listen on {address}: {error}"));
                return ExitCode::from(UNUSABLE);
            }
        }
    }
    let drain = config.store.drain;
    let opened = tokio::task::spawn_blocking(move || Store::open(config.store)).await;
    let store = match opened.context("opening the store") {
        Ok(Ok(store)) => Arc::new(store),
        Ok(Err(error)) => return refused(&error),
        Err(error) => {
            super::say(&format!("{error:#}"));
            return ExitCode::from(FAILED);
        }
    };
    let addresses: Vec<String> = listeners
        .iter()
        .filter_map(|listener| listener.local_addr().ok())
        .map(|address| format!("http://{address}"))
        .collect();
    tracing::info!(
        "oncelog {} serves log {} on {}",
        env!("CARGO_PKG_VERSION"),
        store.log_id(),
        addresses.join(" and ")
    );

    let stopping = store.clone();
    let (told, hears) = tokio::sync::oneshot::channel();
    let shutdown = async move {
        let poisoned = tokio::select! {
            why = stopping.poisoned() => Some(why),
            interrupted = super::interrupted() => {
                if let Err(error) = interrupted {
                    tracing::error!("signals cannot be received: {error}");
                }
                None
            }
        };
        if poisoned.is_none() {
            tracing::info!("stopping: no more is taken, what is in flight is answered");
        }
        stopping.drain();
        // The receiver lives until the end of this function.
        let _ = told.send((poisoned.is_some(), Instant::now()));
    };
    let mut http = config.http;
    http.drain = drain;
    let serving = serve_http(listeners, store.clone(), http, shutdown);
    let (is_poisoned, since) = tokio::select! {
        biased;
        stopped = async {
            let told = hears.await;
            match told {
                Ok((true, _)) => tokio::time::sleep(POISONED_DRAIN).await,
                _ => std::future::pending().await,
            }
        } => {
            let () = stopped;
            (true, Instant::now())
        }
        served = serving => {
            if served.abandoned > 0 {
                tracing::warn!("{} connections did not end in time and were cut", served.abandoned);
            }
            (store.is_poisoned(), Instant::now())
        }
    };
    if is_poisoned {
        // The disk decides at the restart; nothing more may be written.
        return ExitCode::from(FAILED);
    }
    let until = since + CLOSE;
    let stopped = tokio::task::spawn_blocking(move || {
        store.stop(until);
        store.is_poisoned()
    })
    .await;
    match stopped {
        Ok(false) => {
            tracing::info!("stopped");
            ExitCode::SUCCESS
        }
        Ok(true) | Err(_) => ExitCode::from(FAILED),
    }
}

fn refused(error: &OpenError) -> ExitCode {
    super::say_error(error);
    if error.is_refusal() {
        super::say("nothing was changed; starting again will not help");
        return ExitCode::from(REFUSED);
    }
    ExitCode::from(UNUSABLE)
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
