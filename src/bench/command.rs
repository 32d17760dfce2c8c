//! The command line of `framecast bench`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use super::listening::{NoServer, process_at};
use super::outcome::Outcome;
use super::plan::{Plan, Target};
use super::progress::Progress;
use super::report::Report;
use super::{BenchError, Load, table, terms, verdict};
use crate::text::secret::SecretAddress;

/// The pause between two steps: the next one must not include the cost of closing connections.
const PAUSE: Duration = Duration::from_secs(1);

/// The options of `framecast bench`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Exit status:\n  \
                    0  All viewers connected, all steady ones stayed, all frames were whole and in order\n  \
                    1  Otherwise, or if the stream could not be watched (see --allow-faults)\n  \
                    2  Invalid options")]
pub struct Args {
    /// Stream to watch: http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]
    ///
    /// For a login, write USER:PASSWORD@ before HOST, or ?token=TOKEN. Any certificate is accepted.
    /// The figures and the report mask the user, the password and all values behind the ?.
    pub url: SecretAddress,
    /// Number of steady viewers: they read as fast as they can
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub viewers: usize,
    /// Measure with each of these numbers of steady viewers in turn, as in 100,1000,5000
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', value_parser = count, allow_negative_numbers = true)]
    #[arg(conflicts_with = "viewers")]
    pub ramp: Vec<usize>,
    /// Duration of the measurement in seconds, once all viewers are connected; at most 86400
    #[arg(long, default_value_t = 5.0, value_name = "S", value_parser = number, allow_negative_numbers = true)]
    pub seconds: f64,
    /// Number of additional slow viewers: they read at --slow-rate
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub slow: usize,
    /// Rate at which each slow viewer reads, in bytes per second
    #[arg(long, default_value_t = 50_000, value_name = "BYTES", value_parser = count, allow_negative_numbers = true)]
    pub slow_rate: usize,
    /// Number of additional stalled viewers: they request the stream and never read it
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub stalled: usize,
    /// Additional viewers that connect each second, each for one second, from 0 to 10000
    #[arg(long, default_value_t = 0.0, value_name = "N", value_parser = number, allow_negative_numbers = true)]
    pub churn: f64,
    /// Process id of the server, to measure its CPU time and memory with its child processes
    ///
    /// [default: the process that listens on the port of URL, if it is on this machine]
    #[arg(long, value_parser = process_id, allow_negative_numbers = true)]
    pub pid: Option<u32>,
    /// Check all bytes: frames with the same number must be the same for all viewers
    #[arg(long)]
    pub verify: bool,
    /// Print the figures as JSON: an object, or with --ramp a list of objects
    #[arg(long)]
    pub json: bool,
    /// Also write the figures and their plots to this file, as one HTML page
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
    /// Exit with 0 although viewers failed or frames were damaged, out of order or different
    #[arg(long)]
    pub allow_faults: bool,
}

fn count(text: &str) -> Result<usize, String> {
    text.parse()
        .map_err(|_| "expected a whole number, such as 100".into())
}

fn number(text: &str) -> Result<f64, String> {
    text.parse()
        .map_err(|_| "expected a number, such as 5 or 0.5".into())
}

fn process_id(text: &str) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|&number| number > 0)
        .ok_or_else(|| "expected a process id, a number above 0".into())
}

impl Args {
    /// Returns a plan for each step of the ramp, or one without a ramp.
    fn plans(&self) -> Vec<Plan> {
        let sizes = if self.ramp.is_empty() {
            std::slice::from_ref(&self.viewers)
        } else {
            &self.ramp
        };
        let plan = |viewers: &usize| Plan {
            slow: self.slow,
            slow_bytes_per_second: self.slow_rate,
            stalled: self.stalled,
            churn_per_second: self.churn,
            verify: self.verify,
            pid: self.pid,
            ..Plan::new(self.url.expose(), *viewers, self.seconds)
        };
        sizes.iter().map(plan).collect()
    }
}

/// Runs `framecast bench`: prints the figures and writes the report.
///
/// # Errors
/// A step failed, or there were faults. The figures of the earlier steps have been printed.
pub fn command(args: &Args) -> Result<(), BenchError> {
    let mut plans = args.plans();
    // Check all steps before the first one starts: the last may fail after an hour.
    plans
        .iter()
        .try_for_each(|plan| Load::new(plan).map(drop))?;
    let unknown_server = find_server(&mut plans)?;
    let report = args.report.as_deref().map(Report::create).transpose()?;
    let mut steps = Vec::new();
    let ended = run_steps(&plans, &mut |step| {
        let printed = if args.json {
            Ok(())
        } else {
            print_step(&step, steps.is_empty(), plans.len() > 1)
        };
        steps.push(step);
        printed.map_err(BenchError::Print)
    });
    if !steps.is_empty() {
        print_end(&steps, args).map_err(BenchError::Print)?;
        report.map(|report| report.write(&steps)).transpose()?;
        if let Some(why) = unknown_server {
            let _ = writeln!(io::stderr(), "framecast: {why}");
        }
    }
    ended?;
    match steps.iter().find_map(verdict::faults) {
        Some(faults) if !args.allow_faults => Err(BenchError::Faults(faults)),
        _ => Ok(()),
    }
}

/// Finds the server's process if `--pid` is not given. Returns the reason if it cannot.
fn find_server(plans: &mut [Plan]) -> Result<Option<NoServer>, BenchError> {
    let Some(first) = plans.first().filter(|plan| plan.pid.is_none()) else {
        return Ok(None);
    };
    match process_at(Target::resolve(&first.url)?.address) {
        Ok(pid) => plans.iter_mut().for_each(|plan| plan.pid = Some(pid)),
        Err(why) => return Ok(Some(why)),
    }
    Ok(None)
}

/// Runs the steps in turn.
fn run_steps(
    plans: &[Plan],
    report: &mut dyn FnMut(Outcome) -> Result<(), BenchError>,
) -> Result<(), BenchError> {
    for (index, plan) in plans.iter().enumerate() {
        if index > 0 {
            thread::sleep(PAUSE);
        }
        let progress = Progress::new(plan);
        let outcome = super::run(plan, &mut |moment| progress.show(moment))?;
        drop(progress);
        report(outcome)?;
    }
    Ok(())
}

fn print_step(step: &Outcome, is_first: bool, is_ramp: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match is_ramp {
        true if is_first => writeln!(out, "{}\n{}", table::RAMP_HEADING, table::ramp_row(step)),
        true => writeln!(out, "{}", table::ramp_row(step)),
        false => write!(out, "{step}"),
    }
}

fn print_end(steps: &[Outcome], args: &Args) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match (args.json, steps) {
        (true, [only]) if args.ramp.is_empty() => serde_json::to_writer_pretty(&mut out, only)?,
        (true, steps) => serde_json::to_writer_pretty(&mut out, steps)?,
        (false, steps) => {
            write!(out, "\n{}", verdict::headline(steps))?;
            verdict::warning(steps).map_or(Ok(()), |doubt| write!(out, "\n{doubt}"))?;
            write!(
                out,
                "\n\nTerms:\n{}",
                terms::legend(steps, !args.ramp.is_empty()).trim_end()
            )?;
        }
    }
    writeln!(out)
}
