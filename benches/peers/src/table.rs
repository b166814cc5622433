//! Medians and spreads.

use std::fmt::Write as _;

use super::measure::{Figures, Requests, Round};
use super::servers::Server;

pub(crate) const HEAD: &str = "\n\
| batch, connections | server | events/s | oncelog's ratio to it | p50, p99, p99.9 ms | CPU s per M events | of the load | disk bytes an event |\n\
|---|---|---|---|---|---|---|---|";

/// A row for each server: median and, in brackets, least and most of all rounds. The ratios
/// are those of each round: of the rates, or where the rate is given, of p99.
pub(crate) fn rows(servers: &[Server], requests: Requests, rounds: &[Round]) -> String {
    let mut text = String::new();
    for (place, server) in servers.iter().enumerate() {
        let of = |figure: fn(&Figures) -> f64| -> Vec<f64> {
            rounds.iter().map(|round| figure(&round[place])).collect()
        };
        let (of_what, compared): (_, fn(&Figures) -> f64) = match requests.rate {
            None => ("", |figures| figures.events_per_second),
            Some(_) => ("p99: ", |figures| figures.p99_ms),
        };
        let ratios = rounds
            .iter()
            .map(|round| compared(&round[0]) / compared(&round[place]));
        let ratio = match place {
            0 => "1".to_owned(),
            _ => of_what.to_owned() + &spread(ratios.collect(), |ratio| format!("{ratio:.2}")),
        };
        let busy = median(of(|figures| figures.bench_busy));
        // Into memory: it cannot fail.
        let _ = writeln!(
            text,
            "| {requests} | {} | {} | {ratio} | {:.2}, {:.2}, {:.2} | {} | {:.2} ({:.0} % busy) | {:.0} |",
            server.name(),
            spread(of(|figures| figures.events_per_second), |rate| format!(
                "{rate:.0}"
            )),
            median(of(|figures| figures.p50_ms)),
            median(of(|figures| figures.p99_ms)),
            median(of(|figures| figures.p999_ms)),
            spread(
                of(|figures| figures.server_cpu_seconds_per_million),
                |cpu| { format!("{cpu:.2}") }
            ),
            median(of(|figures| figures.bench_cpu_seconds_per_million)),
            busy * 100.0,
            median(of(|figures| figures.disk_bytes_per_event)),
        );
    }
    text
}

fn spread(values: Vec<f64>, show: impl Fn(f64) -> String) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!(
        "{} ({} to {})",
        show(median(values)),
        show(least),
        show(most)
    )
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        let shown = spread(vec![3.0, 1.0, 2.0], |value| format!("{value}"));
        assert_eq!(shown, "2 (1 to 3)");
    }
}
