//! `weir explain`: why things are as they are.

use super::{
    Common,
    table::table,
    units::{self, or_unknown},
};
use api::{CandidateExplained, OwnerExplained, PlacingExplained, StreamExplained};

/// Why things are as they are: decisions with all that led to them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  weir explain stream live/demo
  weir explain stream example.com/live/demo --json")]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Why a stream is where it is, and where a publish of it goes.
    Stream {
        /// `vhost/app/name`, or `app/name` on the default vhost.
        path: String,
        #[command(flatten)]
        common: Common,
    },
}

/// What a stream's path begins with if nobody says otherwise.
const DEFAULT_VHOST: &str = "__defaultVhost__";

/// # Errors
/// If no controller answers, or that is no stream path.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let What::Stream { path, common } = options.what;
    let controller = common.controller()?;
    let path = match path.matches('/').count() {
        1 => format!("{DEFAULT_VHOST}/{path}"),
        _ => path,
    };
    let explained = controller.explain_stream(&path).await?;
    common.print(&explained, || text(&explained))
}

fn text(explained: &StreamExplained) -> String {
    let mut parts = vec![format!(
        "{}\nnow      {}",
        explained.path,
        owner(&explained.owner)
    )];
    if let Some(change) = &explained.last_change {
        parts.push(format!(
            "changed  {} at {}",
            owner(change),
            units::moment(change.at_unix_ms)
        ));
    }
    parts.push(placing(&explained.placing));
    parts.join("\n")
}

fn owner(explained: &OwnerExplained) -> String {
    let OwnerExplained {
        decided,
        owner,
        owner_is,
        epoch,
        revision,
        reason,
        claims,
        ..
    } = explained;
    let nobody = "nobody";
    let claimed: Vec<String> = claims
        .iter()
        .map(|claim| match claim.suspect {
            true => format!("{} (silent)", claim.node),
            false => claim.node.clone(),
        })
        .collect();
    let claimed = match claimed.is_empty() {
        true => nobody.to_owned(),
        false => claimed.join(", "),
    };
    format!(
        "{} owns it: {reason} (before: {} at epoch {epoch}, {owner_is}; published at {claimed}; \
         revision {revision})",
        decided.as_deref().unwrap_or(nobody),
        owner.as_deref().unwrap_or(nobody),
    )
}

fn placing(placing: &PlacingExplained) -> String {
    let chosen = or_unknown(placing.chosen.as_ref());
    let reason = &placing.reason;
    let what = match placing.was_told {
        true => format!(
            "sent     to {chosen}: {reason}, at {}",
            units::moment(placing.at_unix_ms)
        ),
        false => format!("would go to {chosen}: {reason}"),
    };
    let header = [
        "ORIGIN",
        "REGION",
        "ZONE",
        ">STREAMS",
        ">POINTS",
        ">USED",
        ">CROWDED",
        ">FAR",
        ">NEAR A FAILURE",
        ">AVOIDED",
        "RULED OUT",
    ];
    let rows = placing
        .candidates
        .iter()
        .map(|candidate| row(candidate, placing));
    format!("{what}\n\n{}", table(&header, rows))
}

fn row(candidate: &CandidateExplained, placing: &PlacingExplained) -> Vec<String> {
    let known = |text: &String| or_unknown(Some(text).filter(|text| !text.is_empty()));
    let is_chosen = placing.chosen.as_ref() == Some(&candidate.node);
    let ruled_out = match (&candidate.ruled_out, is_chosen) {
        (_, true) => "chosen".to_owned(),
        (ruled_out, false) => or_unknown(ruled_out.as_ref()),
    };
    let score = &candidate.score;
    vec![
        candidate.node.clone(),
        known(&candidate.region),
        known(&candidate.zone),
        candidate.streams.to_string(),
        score.total.to_string(),
        score.used.to_string(),
        score.crowded.to_string(),
        score.far.to_string(),
        score.near_a_failure.to_string(),
        score.avoided.to_string(),
        ruled_out,
    ]
}
