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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::Rounds;
    use media::{Kind, Role};
    use std::collections::{BTreeMap, BTreeSet};

    #[tokio::test]
    async fn the_clip_loops_without_a_seam() {
        let mut rounds = Rounds::default();
        let mut times: BTreeMap<u8, Vec<i64>> = BTreeMap::new();
        for _ in 0..3 {
            let mut frames = Clip::Carried(CLIP).open().await.expect("the clip");
            while let Some(frame) = frames.next().await.expect("a good clip") {
                let coded = matches!(frame.role, Role::Key | Role::Inter);
                if let (true, Some(dts)) = (coded, rounds.place(&frame)) {
                    let kind = u8::from(frame.kind == Kind::Video);
                    times.entry(kind).or_default().push(dts.as_millis());
                }
            }
            assert!(rounds.next_round());
        }
        let steps = |times: &[i64]| -> BTreeSet<i64> {
            times.windows(2).map(|pair| pair[1] - pair[0]).collect()
        };
        assert_eq!(steps(&times[&1]), [40].into(), "pictures");
        assert!(
            steps(&times[&0]).iter().all(|step| [21, 22].contains(step)),
            "sounds"
        );
    }
}
