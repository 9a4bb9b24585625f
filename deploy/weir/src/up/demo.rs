//! `weir up --demo`: the clip that the program carries, published in a loop.

use super::console::Console;
use crate::publish::{Clip, Manner, News, publish as publish_clip};

/// The demo stream's name.
pub(crate) const NAME: &str = "demo";

/// 16 s of H.264 and AAC that loop without a seam; `assets/make-demo-clip` made it.
static CLIP: &[u8] = include_bytes!("../../assets/demo.flv");

/// Publishes the clip to `NAME` below `url` for ever, whatever becomes of the origin.
///
/// # Errors
/// Never, unless the program carries a bad clip.
pub(crate) async fn publish(url: &str, console: &Console) -> anyhow::Result<()> {
    let url = format!("{url}/{NAME}").parse()?;
    let manner = Manner {
        looped: true,
        speed: 1.0,
        reconnect: true,
    };
    publish_clip(&Clip::Carried(CLIP), &url, manner, |news| match news {
        News::Publishing => console.say(&format!("weir: the demo clip is published to {url}")),
        News::Lost { reason, .. } => {
            console.announce(&format!(
                "weir: the demo clip is not published ({reason}), trying again"
            ));
        }
    })
    .await
}
