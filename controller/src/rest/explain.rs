//! Decisions with all that led to them, in the API's types.

use super::{Refused, stream_path};
use crate::{
    model::{
        Model,
        explanations::{Ownership, Placing},
    },
    plan::{
        self, Decision, Policy,
        ownership::OwnerIs,
        placing::{Explained, RuledOut, Why},
    },
    program::{Parts, now},
};
use api::{
    CandidateExplained, Claim, OwnerExplained, PlacingExplained, Score, StreamExplained,
    TreeExplained,
};
use axum::{
    Json,
    extract::{Path, State},
};
use control::NodeId;
use media::StreamPath;

pub(super) async fn stream(
    State(parts): State<Parts>,
    Path((vhost, app, name)): Path<(String, String, String)>,
) -> Result<Json<StreamExplained>, Refused> {
    let path = stream_path(StreamPath::new(&vhost, &app, &name))?;
    let (model, now) = (&parts.model, now());
    let facts_now =
        model.read(|inventory| (inventory.facts(&path, now), inventory.revision(&path)));
    let decision = plan::decide(&facts_now.0, &model.policy);
    let owner = Ownership {
        path: path.clone(),
        at_unix_ms: now.unix_ms,
        revision: facts_now.1,
        facts: facts_now.0,
        decision,
    };
    let told = model.explanations.placing(&path);
    let placing = match &told {
        Some(told) => placing(told, true),
        None => placing(&model.would_place(&path, now), false),
    };
    Ok(Json(StreamExplained {
        owner: ownership(&owner, &model.policy),
        last_change: model
            .explanations
            .ownership(&path)
            .map(|change| ownership(&change, &model.policy)),
        placing,
        trees: trees(model, &path),
        path: path.to_string(),
    }))
}

/// The regions whose edges are to pull the stream from each other.
fn trees(model: &Model, path: &StreamPath) -> Vec<TreeExplained> {
    let tree = |(region, edges, parents): (&str, usize, Vec<&NodeId>)| TreeExplained {
        region: region.to_owned(),
        edges,
        parents: parents.into_iter().map(NodeId::to_string).collect(),
        reason: match (model.policy.tree.parents, model.policy.tree.edges_min) {
            (0, _) => "tree.parents is 0: every edge pulls from the origin".to_owned(),
            (_, min) if edges < min => {
                format!("tree.edges_min is {min}: every edge pulls from the origin")
            }
            _ => "the first by the stream's own order of the region's edges pull from the origin, \
                  the others from them"
                .to_owned(),
        },
    };
    model.read(|inventory| {
        let trees = inventory.trees(path, &model.policy.tree);
        trees.into_iter().map(tree).collect()
    })
}

fn ownership(decided: &Ownership, policy: &Policy) -> OwnerExplained {
    let facts = &decided.facts;
    let placement = facts.placement.as_ref();
    let owner = placement.and_then(|placement| placement.owner.as_ref());
    let owner = owner.map(|owner| owner.node.to_string());
    let standing_by: Vec<&NodeId> = plan::standbys(placement, &facts.claims, policy.duplicates)
        .map(|claim| &claim.owner.node)
        .collect();
    let claim = |claim: &plan::ownership::Claim| Claim {
        stands_by: standing_by.contains(&&claim.owner.node),
        node: claim.owner.node.to_string(),
        incarnation: claim.owner.incarnation.to_string(),
        since_unix_ms: claim.since_unix_ms,
        suspect: claim.suspect,
    };
    let (changes, decided_owner, reason) = match &decided.decision {
        Decision::Keep => (
            false,
            owner.clone(),
            kept_because(owner.as_deref(), facts, &standing_by),
        ),
        Decision::Held { reason, .. } => {
            let held = match &owner {
                Some(owner) => format!("held at {owner}: {reason}"),
                None => format!("held without an owner: {reason}"),
            };
            (false, owner.clone(), held)
        }
        Decision::Change { owner, reason, .. } => {
            let owner = owner.as_ref().map(|owner| owner.node.to_string());
            (true, owner, reason.clone())
        }
    };
    OwnerExplained {
        at_unix_ms: decided.at_unix_ms,
        revision: decided.revision.0,
        epoch: placement.map_or(0, |placement| placement.epoch.0),
        epoch_seen: facts.seen.0,
        owner_is: match (&owner, facts.owner_is) {
            (None, _) => "nobody",
            (_, OwnerIs::Publishing) => "publishing",
            (_, OwnerIs::Unheard) => "not heard yet",
            (_, OwnerIs::Missing) => "missing",
            (_, OwnerIs::Ended) => "no longer publishing",
            (_, OwnerIs::Restarted) => "restarted",
            (_, OwnerIs::Dead) => "dead",
            (_, OwnerIs::Gone) => "gone",
        }
        .to_owned(),
        owner,
        claims: facts.claims.iter().map(claim).collect(),
        changes,
        decided: decided_owner,
        reason,
    }
}

fn kept_because(owner: Option<&str>, facts: &plan::Facts, standing_by: &[&NodeId]) -> String {
    match (owner, facts.owner_is) {
        (None, _) if facts.claims.is_empty() => "nobody publishes it".into(),
        (None, _) => "only a silent origin has it".into(),
        (Some(owner), OwnerIs::Publishing) if !standing_by.is_empty() => {
            let names: Vec<&str> = standing_by.iter().map(|node| node.as_str()).collect();
            format!(
                "{owner} publishes it; standing by with the same: {}",
                names.join(", ")
            )
        }
        (Some(owner), OwnerIs::Publishing) if facts.claims.len() > 1 => {
            format!("{owner} publishes it and keeps it before others")
        }
        (Some(owner), OwnerIs::Publishing) => format!("{owner} publishes it"),
        (Some(owner), OwnerIs::Unheard) => {
            format!("{owner} was not heard yet since this controller started")
        }
        (Some(owner), _) => format!("nobody else has what {owner} had"),
    }
}

fn placing(placing: &Placing, was_told: bool) -> PlacingExplained {
    let explained = &placing.explained;
    let question = &explained.question;
    let chosen = explained.chosen().map(|chosen| chosen.node.to_string());
    PlacingExplained {
        was_told,
        at_unix_ms: placing.at_unix_ms,
        revision: placing.revision.0,
        from_region: question.from.region.clone(),
        from_zone: question.from.zone.clone(),
        keep: question.keep.as_ref().map(ToString::to_string),
        avoid: question.avoid.iter().map(ToString::to_string).collect(),
        candidates: candidates(explained),
        reason: match (explained.why, &chosen) {
            (Why::Kept, Some(chosen)) => {
                format!("the stream is at {chosen}, or was just sent there")
            }
            (Why::Least, Some(chosen)) => {
                format!(
                    "{chosen} has the least points; of equals the fewest streams, then the name"
                )
            }
            (Why::Kept | Why::Least | Why::NobodyLeft, _) => "no origin is left".into(),
        },
        chosen,
    }
}

fn candidates(explained: &Explained) -> Vec<CandidateExplained> {
    let both = explained.candidates.iter().zip(&explained.judged);
    both.map(|(candidate, judged)| CandidateExplained {
        node: candidate.node.to_string(),
        region: candidate.site.region.clone(),
        zone: candidate.site.zone.clone(),
        streams: candidate.streams,
        bits_out_per_second: candidate.load.bits_out_per_second,
        cpu_permille: candidate.load.cpu_permille,
        ruled_out: judged.ruled_out.as_ref().map(|why| match why {
            RuledOut::Standing(why) => why.clone(),
            RuledOut::StreamsFull => {
                format!(
                    "full: {} streams are all it may have",
                    candidate.capacity.streams
                )
            }
            RuledOut::BandwidthFull => format!(
                "full: it sends {} bit/s and may send {}",
                candidate.load.bits_out_per_second, candidate.capacity.bits_per_second
            ),
        }),
        score: Score {
            total: judged.score.total(),
            used: judged.score.used,
            crowded: judged.score.crowded,
            far: judged.score.far,
            near_a_failure: judged.score.near_a_failure,
            avoided: judged.score.avoided,
        },
    })
    .collect()
}
