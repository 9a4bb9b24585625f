//! Command line options, in groups that subcommands share, and the plan that they make.

use super::progress::Bar;
use anyhow::Context;
use clap::{ArgAction, Args};
use load::{Footage, Plan, Target, report::table};
use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

/// `weir-load play`
#[derive(Debug, Args)]
pub(crate) struct Play {
    #[command(flatten)]
    players: Players,
    /// How many streams; their numbers replace `{}` in the URL or are added to its name.
    #[arg(long, value_name = "N", default_value_t = 1)]
    streams: u32,
    #[command(flatten)]
    run: Run,
    #[command(flatten)]
    watched: Watched,
    #[command(flatten)]
    output: Output,
}

/// `weir-load publish`
#[derive(Debug, Args)]
pub(crate) struct Publish {
    /// rtmp://host[:port]/app/name
    #[arg(long = "url", value_name = "URL")]
    publish: Target,
    #[command(flatten)]
    media: Media,
    #[command(flatten)]
    run: Run,
    #[command(flatten)]
    watched: Watched,
    #[command(flatten)]
    output: Output,
}

/// `weir-load mix`
#[derive(Debug, Args)]
pub(crate) struct Mix {
    /// Where to publish: rtmp://host[:port]/app/name
    #[arg(long, value_name = "URL")]
    publish: Target,
    #[command(flatten)]
    media: Media,
    #[command(flatten)]
    players: Players,
    #[command(flatten)]
    run: Run,
    #[command(flatten)]
    watched: Watched,
    #[command(flatten)]
    output: Output,
}

/// What is published.
#[derive(Debug, Args)]
pub(crate) struct Media {
    /// How many streams, a publisher each; their numbers replace `{}` in URLs or are added to names.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) streams: u32,
    /// Bits of pictures in a second, of each stream; `600k`, `2.5M`.
    #[arg(long, value_name = "BITS", default_value = "600k", value_parser = bits)]
    bitrate: u32,
    /// Pictures in a second.
    #[arg(long, value_name = "N", default_value_t = 30)]
    fps: u32,
    /// Pictures from one key frame to the next.
    #[arg(long, value_name = "N", default_value_t = 60)]
    gop: u32,
    /// Sounds in a second (AAC has 43 to 47); 0 for none.
    #[arg(long, value_name = "N", default_value_t = 0)]
    sounds: u32,
    /// How long publishers run before players come.
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = seconds)]
    settle: Duration,
}

impl Media {
    pub(crate) fn footage(&self) -> Footage {
        Footage {
            bits_per_second: self.bitrate,
            pictures_per_second: self.fps,
            gop_pictures: self.gop,
            sounds_per_second: self.sounds,
        }
    }

    pub(crate) fn fill(&self, plan: &mut Plan) {
        plan.streams = self.streams;
        plan.footage = self.footage();
        plan.settle = self.settle;
    }
}

/// Who plays, and how.
#[derive(Debug, Args)]
pub(crate) struct Players {
    /// rtmp://host/app/name, http://host/app/name.flv or ws://host/app/name.flv; may be repeated,
    /// players take them in turn.
    #[arg(long, value_name = "URL", required = true)]
    url: Vec<Target>,
    #[command(flatten)]
    behaviour: Behaviour,
}

/// How players behave, wherever they play.
#[derive(Debug, Args)]
pub(crate) struct Behaviour {
    /// How many players.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100)]
    pub(crate) players: u32,
    /// How many of them check all that they receive; the others discard it as cheaply as the kernel
    /// can.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) check: u32,
    /// Players that join in a second, until all are there.
    #[arg(long, value_name = "N", default_value_t = 500.0)]
    join_rate: f64,
    /// Players that leave and come again in a second, once all are there.
    #[arg(long, value_name = "N", default_value_t = 0.0)]
    churn: f64,
    /// Popularity of streams: the k-th has a share of 1/k^S; 0 for all alike.
    #[arg(long, value_name = "S", default_value_t = 0.0)]
    zipf: f64,
    /// Share of players, 0 to 1, that stop reading once they play.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    stalled: f64,
    /// Share of players, 0 to 1, that read too slowly.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    slow: f64,
    /// How fast those read.
    #[arg(long, value_name = "BITS", default_value = "100k", value_parser = bits)]
    slow_rate: u32,
}

impl Behaviour {
    pub(crate) fn fill(&self, plan: &mut Plan) {
        plan.players = self.players;
        plan.check = self.check.min(self.players);
        plan.join_rate = self.join_rate;
        plan.churn_rate = self.churn;
        plan.zipf = self.zipf;
        plan.stalled = self.stalled;
        plan.slow = self.slow;
        plan.slow_bits_per_second = self.slow_rate;
    }
}

impl Players {
    fn fill(&self, plan: &mut Plan) {
        plan.play.clone_from(&self.url);
        self.behaviour.fill(plan);
    }
}

/// How long, and with what.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// How long to measure.
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = seconds)]
    seconds: Duration,
    /// From the last join to the first measured second.
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = seconds)]
    warm_up: Duration,
    /// Threads of the generator: the first publishes and checks, the others discard.
    #[arg(long, value_name = "N", default_value_t = 2)]
    threads: u32,
    /// How often an unchecked player's socket is emptied.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 50)]
    drain_every: u64,
}

impl Run {
    pub(crate) fn fill(&self, plan: &mut Plan) {
        plan.measure = self.seconds;
        plan.warm_up = self.warm_up;
        plan.threads = self.threads;
        plan.drain_interval = Duration::from_millis(self.drain_every);
    }
}

/// Whom to look at.
#[derive(Debug, Args)]
pub(crate) struct Watched {
    /// A process of the server, to report its CPU time, memory and descriptors; may be repeated.
    #[arg(long = "pid", value_name = "PID")]
    pids: Vec<u32>,
    /// The admin address of a Weir node, to report the mean length of its writes.
    #[arg(long, value_name = "HOST:PORT")]
    metrics: Option<std::net::SocketAddr>,
}

impl Watched {
    fn fill(&self, plan: &mut Plan) {
        plan.pids.clone_from(&self.pids);
        plan.metrics = self.metrics;
    }
}

/// Where the report goes.
#[derive(Debug, Args)]
pub(crate) struct Output {
    /// Print the report as JSON instead of a table.
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print the report as a table for a page.
    #[arg(long)]
    markdown: bool,
    /// Also write the report as JSON to a file.
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Show no progress.
    #[arg(long, short, action = ArgAction::SetTrue)]
    pub(crate) quiet: bool,
}

/// How a report is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Table,
    Markdown,
    Json,
}

impl Output {
    pub(crate) fn form(&self) -> Form {
        match (self.json, self.markdown) {
            (true, _) => Form::Json,
            (false, true) => Form::Markdown,
            (false, false) => Form::Table,
        }
    }

    /// Prints `text` and saves `json` where that is wanted.
    pub(crate) fn show(&self, text: &str, json: &str) -> anyhow::Result<()> {
        if let Some(file) = &self.save {
            fs::write(file, json).with_context(|| format!("writing {}", file.display()))?;
        }
        match writeln!(io::stdout(), "{}", text.trim_end()) {
            // Whoever read our output has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            outcome => Ok(outcome?),
        }
    }

    fn carry_out(&self, plan: &Plan) -> anyhow::Result<bool> {
        let mut bar = Bar::new(!self.quiet);
        let report = load::run(plan, &mut bar)?;
        bar.finish();
        let json = report.to_json();
        let text = match self.form() {
            Form::Json => json.clone(),
            Form::Markdown => table::markdown(&report),
            Form::Table => table::plain(&report),
        };
        self.show(&text, &json)?;
        Ok(report.is_clean())
    }
}

impl Play {
    pub(crate) fn run(&self) -> anyhow::Result<bool> {
        let mut plan = Plan {
            streams: self.streams,
            ..Plan::default()
        };
        self.players.fill(&mut plan);
        self.run.fill(&mut plan);
        self.watched.fill(&mut plan);
        self.output.carry_out(&plan)
    }
}

impl Publish {
    pub(crate) fn run(&self) -> anyhow::Result<bool> {
        let mut plan = Plan {
            publish: Some(self.publish.clone()),
            ..Plan::default()
        };
        self.media.fill(&mut plan);
        self.run.fill(&mut plan);
        self.watched.fill(&mut plan);
        self.output.carry_out(&plan)
    }
}

impl Mix {
    pub(crate) fn run(&self) -> anyhow::Result<bool> {
        let mut plan = Plan {
            publish: Some(self.publish.clone()),
            ..Plan::default()
        };
        self.media.fill(&mut plan);
        self.players.fill(&mut plan);
        self.run.fill(&mut plan);
        self.watched.fill(&mut plan);
        self.output.carry_out(&plan)
    }
}

/// A time in seconds.
///
/// # Errors
/// If it is no number, or negative, or of more than a day.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    const DAY: f64 = 86_400.0;
    match text.trim_end_matches('s').parse::<f64>() {
        Ok(seconds) if (0.0..=DAY).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("a number of seconds from 0 to 86400 is expected".to_owned()),
    }
}

/// A bitrate: a number, with `k` or `M` for thousands or millions.
///
/// # Errors
/// If it is none, or not from 1 kb/s to 1 Gb/s.
pub(crate) fn bits(text: &str) -> Result<u32, String> {
    let (digits, factor) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1e3),
        None => match text.strip_suffix(['m', 'M']) {
            Some(digits) => (digits, 1e6),
            None => (text, 1.0),
        },
    };
    match digits.parse::<f64>().map(|number| number * factor) {
        Ok(bits) if (1e3..=1e9).contains(&bits) => Ok(bits as u32),
        _ => Err("a bitrate from 1k to 1000M is expected, such as 600k or 2.5M".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bitrates_and_times_are_read() {
        assert_eq!(bits("600k"), Ok(600_000));
        assert_eq!(bits("2.5M"), Ok(2_500_000));
        assert_eq!(bits("64000"), Ok(64_000));
        assert!(bits("fast").is_err() && bits("10").is_err());
        assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1_500)));
        assert!(seconds("-1").is_err() && seconds("NaN").is_err());
    }
}
