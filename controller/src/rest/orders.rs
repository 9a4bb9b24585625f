//! What changes the cluster: restarts, the freeze.
//!
//! Every order is JSON, if only `{}`: a page in somebody's browser can send other things than JSON to
//! a controller on loopback without asking, and those are refused.

use super::{Refused, views};
use crate::{
    limits::REASON_CHARS_MAX,
    plan::supervision::OrderError,
    program::{Parts, now},
    reconcile,
    replica::standing,
    restart::Refusal,
    store::keys::Freeze,
};
use api::{ErrorCode, Order, Restarting, Restarts};
use axum::{
    Json,
    extract::{FromRequest, Path, Request, State, rejection::JsonRejection},
    http::StatusCode,
};
use control::NodeId;

/// An order's reason, refused with the API's own error body if it is malformed.
pub(super) struct Reason(Option<String>);

impl<S: Send + Sync> FromRequest<S> for Reason {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let bad = |error: JsonRejection| Refused::new(ErrorCode::BadRequest, error.body_text());
        let Json(order) = Json::<Order>::from_request(request, state)
            .await
            .map_err(bad)?;
        let reason = order.reason.unwrap_or_default();
        let printable = reason.chars().filter(|c| !c.is_control());
        let reason: String = printable.take(REASON_CHARS_MAX).collect();
        Ok(Self(
            Some(reason).filter(|reason| !reason.trim().is_empty()),
        ))
    }
}

impl Reason {
    fn or(self, else_: &str) -> String {
        self.0.unwrap_or_else(|| else_.to_owned())
    }
}

pub(super) async fn restart(
    State(parts): State<Parts>,
    Path(node): Path<String>,
    reason: Reason,
) -> Result<(StatusCode, Json<Restarting>), Refused> {
    let missing = || Refused::new(ErrorCode::NodeNotFound, format!("there is no node {node}"));
    let id = NodeId::new(&node).map_err(|_| missing())?;
    if !standing(&parts.model).decides() {
        let leader = parts.model.leader().borrow().clone();
        let message = match leader {
            Some(leader) => format!(
                "the controller {} restarts nodes: ask it",
                leader.controller
            ),
            None => "no controller decides at the moment: ask again".to_owned(),
        };
        return Err(Refused::new(ErrorCode::NotLeading, message));
    }
    let reason = match reason.0 {
        Some(reason) => format!("ordered by an operator: {reason}"),
        None => "ordered by an operator".into(),
    };
    let order = parts.supervisor.order(&id, &reason).map_err(|refusal| {
        let code = match refusal {
            Refusal::NoDriver => ErrorCode::NoDriver,
            Refusal::Order(OrderError::Unknown) => return missing(),
            Refusal::Order(OrderError::InFlight) => ErrorCode::RestartInFlight,
            Refusal::Busy => ErrorCode::Busy,
        };
        Refused::new(code, refusal.to_string())
    })?;
    let restarting = Restarting {
        node,
        driver: parts.supervisor.standing().driver.as_str().to_owned(),
        attempt: order.attempt,
    };
    Ok((StatusCode::ACCEPTED, Json(restarting)))
}

pub(super) async fn freeze(
    State(parts): State<Parts>,
    reason: Reason,
) -> Result<Json<Restarts>, Refused> {
    let reason = reason.or("no reason was given");
    order(&parts, Some(reason.clone()), || {
        parts.supervisor.freeze(reason);
    })
    .await?;
    Ok(Json(views::restarts(&parts.supervisor.standing())))
}

pub(super) async fn unfreeze(
    State(parts): State<Parts>,
    _: Reason,
) -> Result<Json<Restarts>, Refused> {
    order(&parts, None, || parts.supervisor.thaw()).await?;
    Ok(Json(views::restarts(&parts.supervisor.standing())))
}

/// Does what was ordered, and tells the other controllers, and this one after a restart. Where there are
/// others, what they cannot be told is not done: they would go on otherwise when the store is back.
async fn order(parts: &Parts, reason: Option<String>, act: impl FnOnce()) -> Result<(), Refused> {
    if parts.store.is_shared() {
        write_down(parts, reason, NOT_DONE).await?;
        act();
        return Ok(());
    }
    act();
    write_down(parts, reason, NOT_STORED).await
}

const NOT_DONE: &str = "the store does not take it, and nothing is changed: without it the other \
     controllers cannot know. Nobody is restarted while it is away; order it again when it answers";

const NOT_STORED: &str = "done, but the store does not take it: it will not outlive the controller's \
     restart; order it again";

async fn write_down(
    parts: &Parts,
    reason: Option<String>,
    if_not: &'static str,
) -> Result<(), Refused> {
    let freeze = Freeze {
        reason,
        at_unix_ms: now().unix_ms,
    };
    let stored = reconcile::store_freeze(&*parts.store, &freeze).await;
    stored.map_err(|error| {
        tracing::error!(%error, "an operator's order cannot be stored");
        Refused::new(ErrorCode::Internal, if_not)
    })
}
