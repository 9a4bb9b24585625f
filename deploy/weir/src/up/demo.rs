//! `weir up --demo`: the clip that the program carries, published in a loop.

use super::console::Console;

/// The demo stream's name.
pub(crate) const NAME: &str = "demo";

pub(crate) async fn publish(_url: &str, _console: &Console) -> anyhow::Result<()> {
    std::future::pending().await
}
