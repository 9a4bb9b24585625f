//! What an operator can set.

use crate::{
    grpc::config::Grpc,
    model::inventory::Timing,
    plan::{self, Duplicates, Policy, tree},
    restart, store,
};
use anyhow::{Context, ensure};
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::{
    admin,
    config::{Duration, Listen},
    telemetry,
};
use std::path::PathBuf;

/// The controller's config.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What is logged, and how.
    #[garde(dive)]
    pub log: telemetry::Config,
    /// Probes and scrapes.
    #[garde(dive, custom(admin_apart(&self.grpc, &self.rest)))]
    pub admin: admin::Config,
    /// Where nodes register.
    #[garde(dive)]
    pub grpc: Grpc,
    /// Where operators ask.
    #[garde(dive, custom(rest_apart(&self.grpc)))]
    pub rest: Rest,
    /// Where state is kept.
    #[garde(dive)]
    pub store: store::config::Store,
    /// How nodes are watched.
    #[garde(dive)]
    pub nodes: Nodes,
    /// How dead nodes are restarted.
    #[garde(dive)]
    pub restart: restart::config::Config,
    /// When nobody is declared dead or restarted, because it is more likely the controller that is
    /// cut off.
    #[garde(dive)]
    pub freeze: restart::config::Freeze,
    /// What happens to streams.
    #[garde(dive)]
    pub streams: Streams,
    /// Which edges pull from edges instead of from origins.
    #[garde(dive)]
    pub tree: Tree,
}

/// Where operators ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rest {
    /// Address of the REST API and its document, `/openapi.json`. Port 0 takes a free one, which
    /// the log names. Beyond loopback it needs a token.
    #[garde(custom(guarded(self)))]
    pub listen: Listen,
    /// The token that operators must show, `Authorization: Bearer …`; better given by `token_file` or
    /// by the environment than written here. Default: none is asked for.
    #[garde(skip)]
    pub token: Option<Token>,
    /// A file that holds the token; blanks around it do not count.
    #[garde(skip)]
    pub token_file: Option<PathBuf>,
}

/// How nodes are watched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Nodes {
    /// How often a node reports when nothing changes.
    #[garde(range(min = Duration::from_millis(50), max = Duration::from_secs(60)))]
    pub report_interval: Duration,
    /// A node that was silent for so long is suspect; one whose connection broke is so at once. Its
    /// streams move as soon as they are published elsewhere. Should be three reports or more.
    #[garde(range(min = Duration::from_millis(100), max = Duration::from_secs(600)))]
    pub suspect_after: Duration,
    /// A node that was silent for so long, and does not answer either when it is asked at its admin
    /// or HTTP address, is dead: nobody is sent to it any more. More than `suspect_after`.
    #[garde(range(min = Duration::from_millis(200), max = Duration::from_secs(3600)))]
    #[garde(custom(after(&self.suspect_after)))]
    pub dead_after: Duration,
    /// How often a suspect node is asked.
    #[garde(range(min = Duration::from_millis(20), max = Duration::from_secs(60)))]
    pub probe_interval: Duration,
    /// How long it may take to answer.
    #[garde(range(min = Duration::from_millis(20), max = Duration::from_secs(60)))]
    pub probe_patience: Duration,
}

/// What happens to streams.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Streams {
    /// What happens when a stream that has a live owner is published at another origin.
    #[garde(skip)]
    pub duplicates: DuplicatesRule,
    /// How often a stream may change from one origin to another within a minute. One that would more
    /// often is held where it is, and one whose owner is gone waits without an owner, until it may
    /// again; an event says so. One that comes back to the origin that had it last has not moved.
    #[garde(range(min = 1, max = 600))]
    pub moves_per_minute: u32,
    /// Copies that every origin is to make of what is published to it. Origins are told, and do not make
    /// them yet: until they do, use the origins' own `forward`.
    #[garde(length(max = 1000), dive)]
    pub forwards: Vec<ForwardRule>,
}

/// Which edges pull from edges instead of from origins, so that an origin has a few pullers a region and
/// not all of its edges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tree {
    /// How many edges of a region fetch a stream from its origin; the region's other edges pull it from
    /// those. Each stream has other ones. 0: every edge pulls from the origin.
    #[garde(range(max = 100))]
    pub parents: u32,
    /// In a region with fewer edges every edge pulls from the origin.
    #[garde(range(min = 2, max = 10_000))]
    pub edges_min: u32,
}

/// What happens when a stream that has a live owner is published at another origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DuplicatesRule {
    /// The owner keeps it; the later publish is ended.
    #[default]
    Refuse,
    /// The later publish takes it; the earlier one is ended.
    TakeOver,
    /// The owner keeps it; the later publish stands by and becomes the owner when the first ends. Up to
    /// two stand by; more are ended. A publisher that says `?backup=1` stands by whatever is set here.
    Backup,
}

/// Copies by rule.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ForwardRule {
    /// Which streams: `vhost/app/name`, each part as it is or `*`.
    #[garde(custom(three_parts))]
    pub streams: String,
    /// Where to: `host:port` or `rtmp://` URLs, in which `[vhost]`, `[app]` and `[stream]` are
    /// filled in.
    #[garde(length(min = 1, max = 100))]
    pub to: Vec<String>,
}

/// A secret that is never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    /// From the secret itself.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself, for whoever has to show it.
    pub(crate) fn secret(&self) -> &str {
        &self.0
    }

    /// Whether what was shown is the secret. Takes as long for a nearly right one as for a wrong
    /// one of the same length.
    pub fn is(&self, shown: &str) -> bool {
        let (ours, theirs) = (self.0.as_bytes(), shown.as_bytes());
        let differs = ours.iter().zip(theirs).fold(0, |sum, (a, b)| sum | (a ^ b));
        ours.len() == theirs.len() && differs == 0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            log: telemetry::Config::default(),
            admin: admin::Config::on("127.0.0.1:7081"),
            grpc: Grpc::default(),
            rest: Rest::default(),
            store: store::config::Store::default(),
            nodes: Nodes::default(),
            restart: restart::config::Config::default(),
            freeze: restart::config::Freeze::default(),
            streams: Streams::default(),
            tree: Tree::default(),
        }
    }
}

impl Default for Rest {
    fn default() -> Self {
        Self {
            listen: loopback(7080),
            token: None,
            token_file: None,
        }
    }
}

impl Default for Nodes {
    fn default() -> Self {
        Self {
            report_interval: Duration::from_secs(1),
            suspect_after: Duration::from_secs(3),
            dead_after: Duration::from_secs(10),
            probe_interval: Duration::from_secs(1),
            probe_patience: Duration::from_secs(1),
        }
    }
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            duplicates: DuplicatesRule::default(),
            moves_per_minute: plan::MOVES_PER_MINUTE,
            forwards: Vec::new(),
        }
    }
}

impl Default for Tree {
    fn default() -> Self {
        let rules = tree::Rules::default();
        Self {
            parents: u32::try_from(rules.parents).unwrap_or(u32::MAX),
            edges_min: u32::try_from(rules.edges_min).unwrap_or(u32::MAX),
        }
    }
}

impl Rest {
    /// The token that operators must show, wherever it is written.
    ///
    /// # Errors
    /// If its file cannot be read or holds none.
    pub fn secret(&self) -> anyhow::Result<Option<Token>> {
        let Some(file) = &self.token_file else {
            return Ok(self.token.clone());
        };
        let doing = || format!("rest.token_file {}", file.display());
        let text = std::fs::read_to_string(file).with_context(doing)?;
        let secret = text.trim();
        ensure!(!secret.is_empty(), "{} is empty", doing());
        Ok(Some(Token::new(secret)))
    }
}

impl Config {
    /// When silence means what.
    pub fn timing(&self) -> Timing {
        Timing {
            suspect_after: self.nodes.suspect_after.get(),
        }
    }

    /// The operator's rules.
    pub fn policy(&self) -> Policy {
        let forward = |rule: &ForwardRule| control::Forward {
            streams: rule.streams.clone(),
            to: rule.to.clone(),
        };
        Policy {
            duplicates: match self.streams.duplicates {
                DuplicatesRule::Refuse => Duplicates::Refuse,
                DuplicatesRule::TakeOver => Duplicates::TakeOver,
                DuplicatesRule::Backup => Duplicates::Backup,
            },
            moves_per_minute: self.streams.moves_per_minute,
            tree: tree::Rules {
                parents: self.tree.parents as usize,
                edges_min: self.tree.edges_min as usize,
            },
            forwards: self.streams.forwards.iter().map(forward).collect(),
        }
    }
}

impl service::Settings for Config {
    fn log(&self) -> &telemetry::Config {
        &self.log
    }
}

pub(crate) fn loopback(port: u16) -> Listen {
    std::net::SocketAddr::from(([127, 0, 0, 1], port)).into()
}

fn after(suspect_after: &Duration) -> impl FnOnce(&Duration, &()) -> garde::Result + '_ {
    move |dead_after, _| match dead_after > suspect_after {
        true => Ok(()),
        false => Err(garde::Error::new(format!(
            "must be more than suspect_after, {suspect_after}"
        ))),
    }
}

fn rest_apart(grpc: &Grpc) -> impl FnOnce(&Rest, &()) -> garde::Result {
    move |rest, _| rest.listen.apart_from(&[("grpc.listen", &grpc.listen)])
}

fn admin_apart(grpc: &Grpc, rest: &Rest) -> impl FnOnce(&admin::Config, &()) -> garde::Result {
    move |admin, _| {
        let others = [("grpc.listen", &grpc.listen), ("rest.listen", &rest.listen)];
        admin.listen.apart_from(&others)
    }
}

/// Whether only this machine reaches it.
pub(crate) fn is_loopback(listen: &Listen) -> bool {
    listen.ip().is_some_and(|ip| ip.is_loopback())
}

/// Who reaches it may read all and restart nodes.
fn guarded(rest: &Rest) -> impl FnOnce(&Listen, &()) -> garde::Result + '_ {
    let has_token = rest.token.is_some() || rest.token_file.is_some();
    move |listen, _| match has_token || is_loopback(listen) {
        true => Ok(()),
        false => Err(garde::Error::new(
            "is beyond loopback and needs rest.token_file or rest.token (WEIR_REST__TOKEN)",
        )),
    }
}

fn three_parts(streams: &str, _: &()) -> garde::Result {
    match streams
        .splitn(3, '/')
        .filter(|part| !part.is_empty())
        .count()
    {
        3 => Ok(()),
        _ => Err(garde::Error::new(
            "is not vhost/app/name, each part as it is or `*`",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, String> {
        service::config::from_text("weir.yaml", text).map_err(|error| error.to_string())
    }

    #[test]
    fn the_default_is_valid_and_listens_on_loopback() {
        let config = load("").expect("the default is valid");
        assert_eq!(config, Config::default());
        for listen in [config.grpc.listen, config.rest.listen, config.admin.listen] {
            assert!(listen.ip().is_some_and(|ip| ip.is_loopback()));
        }
    }

    #[test]
    fn two_listeners_do_not_share_a_port() {
        for text in [
            "rest: {listen: '0.0.0.0:7100'}",
            "admin: {listen: '127.0.0.1:7080'}",
            "admin: {listen: ':7100'}",
        ] {
            let refused = load(text).expect_err(text);
            assert!(
                refused.contains("each needs a port of its own"),
                "{refused}"
            );
        }
    }

    #[test]
    fn beyond_loopback_the_api_needs_a_token() {
        for listen in ["0.0.0.0:7080", ":7080", "10.0.0.5:7080"] {
            let open = format!("rest: {{listen: '{listen}'}}");
            let refused = load(&open).expect_err(&open);
            assert!(refused.contains("needs rest.token_file"), "{refused}");
            let guarded = format!("rest: {{listen: '{listen}', token: hush}}");
            load(&guarded).expect(&guarded);
        }
        let file = tempfile::NamedTempFile::new().expect("a file");
        let rest = Rest {
            token_file: Some(file.path().to_owned()),
            ..Rest::default()
        };
        let empty = rest.secret().expect_err("empty").to_string();
        assert!(empty.ends_with("is empty"), "{empty}");
        std::fs::write(file.path(), "hush\n").expect("written");
        assert!(rest.secret().expect("read").expect("one").is("hush"));
    }

    #[test]
    fn a_node_cannot_be_dead_before_it_is_suspect() {
        let refused = load("nodes: {suspect_after: 5s, dead_after: 4s}").expect_err("refused");
        assert!(
            refused.contains("must be more than suspect_after, 5s"),
            "{refused}"
        );
    }

    #[test]
    fn a_forward_rule_names_all_three_parts() {
        assert!(load("streams: {forwards: [{streams: '*/live/*', to: ['h:1935']}]}").is_ok());
        assert!(load("streams: {forwards: [{streams: 'live', to: ['h:1935']}]}").is_err());
        assert!(load("streams: {forwards: [{streams: '*/live/*', to: []}]}").is_err());
    }

    #[test]
    fn a_token_is_compared_whole_and_never_printed() {
        let token = Token::new("hush");
        assert!(token.is("hush"));
        assert!(!token.is("hus") && !token.is("hushh") && !token.is(""));
        assert_eq!(format!("{token:?}"), "Token(…)");
    }
}
