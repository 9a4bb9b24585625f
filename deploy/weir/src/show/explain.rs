//! `weir explain`: why things are as they are.

use super::{
    Common,
    table::table,
    units::{self, or_unknown},
};
use api::{
    CandidateExplained, Claim, OwnerExplained, PlacingExplained, StreamExplained, TreeExplained,
};

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
    let mut parts = vec![
        explained.path.clone(),
        format!("owner    {}", owner(&explained.owner)),
    ];
    if let Some(change) = &explained.last_change {
        let when = units::moment(change.at_unix_ms);
        parts.push(format!("changed  {when} to {}", owner(change)));
    }
    parts.push(placing(&explained.placing));
    parts.extend(explained.trees.iter().map(tree));
    parts.join("\n")
}

/// Which edges of a region pull it from the origin.
fn tree(explained: &TreeExplained) -> String {
    let TreeExplained {
        region,
        edges,
        parents,
        reason,
    } = explained;
    let region = match region.as_str() {
        "" => "without a region",
        region => region,
    };
    let parents = match parents.as_slice() {
        [] => "no tree".to_owned(),
        parents => format!("by way of {}", parents.join(", ")),
    };
    format!("edges    {region}, {edges} of them, {parents}: {reason}")
}

/// What was decided and why; below it, what was known.
fn owner(explained: &OwnerExplained) -> String {
    let OwnerExplained {
        decided,
        reason,
        owner,
        owner_is,
        epoch,
        revision,
        claims,
        ..
    } = explained;
    let claim = |claim: &Claim| match (claim.suspect, claim.stands_by) {
        (true, _) => format!("{} (silent)", claim.node),
        (_, true) => format!("{} (stands by)", claim.node),
        (false, false) => claim.node.clone(),
    };
    let owned = match owner {
        Some(owner) => format!("owned by {owner}, {owner_is}"),
        None => "owned by nobody".to_owned(),
    };
    let published = match claims.as_slice() {
        [] => "nowhere".to_owned(),
        claims => format!(
            "at {}",
            claims.iter().map(claim).collect::<Vec<_>>().join(", ")
        ),
    };
    format!(
        "{}: {reason}\n         known: {owned}, at epoch {epoch}; published {published}; store \
         revision {revision}",
        decided.as_deref().unwrap_or("nobody"),
    )
}

fn placing(placing: &PlacingExplained) -> String {
    let chosen = or_unknown(placing.chosen.as_ref());
    let reason = &placing.reason;
    let what = match placing.was_told {
        true => {
            let when = units::moment(placing.at_unix_ms);
            format!("placed   {when} at {chosen}: {reason}")
        }
        false => format!("a publish would go to {chosen}: {reason}"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_what_was_decided_on_what_was_known() {
        let json = r#"{"path": "h/live/a",
            "owner": {"at_unix_ms": 1, "revision": 41, "owner": "one", "epoch": 3, "epoch_seen": 0,
                "owner_is": "publishing", "changes": false, "decided": "one",
                "reason": "one publishes it and keeps it before others",
                "claims": [
                    {"node": "one", "incarnation": "1", "since_unix_ms": 1, "suspect": false},
                    {"node": "two", "incarnation": "1", "since_unix_ms": 1, "suspect": true}]},
            "placing": {"was_told": false, "at_unix_ms": 1, "revision": 41, "from_region": "",
                "from_zone": "", "keep": "one", "avoid": [], "chosen": "one",
                "reason": "the stream is at one, or was just sent there", "candidates": [
                    {"node": "one", "region": "eu", "zone": "", "streams": 7,
                     "bits_out_per_second": 0, "cpu_permille": 90,
                     "score": {"total": 50, "used": 50, "crowded": 0, "far": 0,
                               "near_a_failure": 0, "avoided": 0}},
                    {"node": "two", "region": "eu", "zone": "", "streams": 0,
                     "bits_out_per_second": 0, "cpu_permille": 0, "ruled_out": "suspect: silent",
                     "score": {"total": 0, "used": 0, "crowded": 0, "far": 0,
                               "near_a_failure": 0, "avoided": 0}}]},
            "trees": [{"region": "eu", "edges": 4, "parents": ["e3"], "reason": "so it is"}]}"#;
        let explained: StreamExplained = serde_json::from_str(json).expect("an answer");
        let text = text(&explained);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..4],
            [
                "h/live/a",
                "owner    one: one publishes it and keeps it before others",
                "         known: owned by one, publishing, at epoch 3; published at one, two \
                 (silent); store revision 41",
                "a publish would go to one: the stream is at one, or was just sent there",
            ]
        );
        assert!(lines[6].ends_with("chosen"), "{text}");
        assert!(lines[7].ends_with("suspect: silent"), "{text}");
        assert_eq!(lines[8], "edges    eu, 4 of them, by way of e3: so it is");
    }
}
