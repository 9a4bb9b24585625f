//! `weir restart`, `weir freeze`, `weir unfreeze`: orders to the controller.

use super::{Common, status};
use api::{Order, Restarts};

/// Restart a node, by whatever the controller's restart.driver is.
///
/// At once, whatever the node looks like, also while the cluster is frozen. How it ends is an event.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  weir restart edge-1
  weir restart edge-1 --reason 'leaks memory' && weir events --watch")]
pub(crate) struct Restart {
    /// Its name, as `weir nodes` shows it.
    node: String,
    #[command(flatten)]
    order: Given,
}

/// Restart nobody, and declare nobody dead, until `weir unfreeze`.
///
/// For work on the network or on many machines at once. Streams go on; `weir restart` still works.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  weir freeze --reason 'new switch in rack 4'")]
pub(crate) struct Freeze {
    #[command(flatten)]
    order: Given,
}

/// End a freeze, whoever began it: nodes that look dead now are declared dead and restarted.
#[derive(Debug, clap::Args)]
pub(crate) struct Unfreeze {
    #[command(flatten)]
    order: Given,
}

/// What all orders take.
#[derive(Debug, clap::Args)]
struct Given {
    /// Why; it is kept in the event.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    common: Common,
}

impl Given {
    fn order(&self) -> Order {
        Order {
            reason: self.reason.clone(),
        }
    }
}

/// # Errors
/// If no controller answers, or it refuses.
pub(crate) async fn restart(options: Restart) -> anyhow::Result<()> {
    let Restart { node, order } = options;
    let controller = order.common.controller()?;
    let begun = controller.restart(&node, &order.order()).await?;
    order.common.print(&begun, || {
        let api::Restarting { node, driver, .. } = &begun;
        format!("{node} is being restarted by the driver {driver}; `weir events` says how it ends")
    })
}

/// # Errors
/// If no controller answers, or it refuses.
pub(crate) async fn freeze(options: Freeze) -> anyhow::Result<()> {
    let order = options.order;
    let restarts = order.common.controller()?.freeze(&order.order()).await?;
    said(&order, &restarts)
}

/// # Errors
/// If no controller answers, or it refuses.
pub(crate) async fn unfreeze(options: Unfreeze) -> anyhow::Result<()> {
    let order = options.order;
    let restarts = order.common.controller()?.unfreeze(&order.order()).await?;
    said(&order, &restarts)
}

fn said(order: &Given, restarts: &Restarts) -> anyhow::Result<()> {
    let text = || format!("restarts {}", status::restarts(restarts));
    order.common.print(restarts, text)
}
