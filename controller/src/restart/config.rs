//! What an operator can set about dead nodes: how they are restarted, and when nobody is.

use super::template::Template;
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::config::Duration;
use std::path::PathBuf;

/// How dead nodes are restarted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Who restarts a dead node: `none`, `process`, `command` or `kubernetes`.
    #[garde(custom(complete(self)))]
    pub driver: DriverKind,
    /// Restarts that may be under way at a time.
    #[garde(range(min = 1, max = 1000))]
    pub in_flight_max: u32,
    /// A restarted node that has not registered within this has not been restarted.
    #[garde(range(min = Duration::from_secs(1), max = Duration::from_secs(3600)))]
    pub patience: Duration,
    /// The least time between a node's first restart and its second; doubles with each.
    #[garde(range(min = Duration::from_millis(100), max = Duration::from_secs(3600)))]
    pub wait_first: Duration,
    /// The longest such time.
    #[garde(range(min = Duration::from_millis(100), max = Duration::from_secs(86_400)))]
    pub wait_max: Duration,
    /// A node that lived so long begins again with `wait_first`.
    #[garde(range(min = Duration::from_secs(1), max = Duration::from_secs(86_400)))]
    pub forgiven_after: Duration,
    /// Nobody is restarted before this controller has decided for so long: nodes need a while to
    /// find a controller that was away.
    #[garde(range(max = Duration::from_secs(3600)))]
    pub held_for: Duration,
    /// For the driver `process`.
    #[garde(skip)]
    pub process: Process,
    /// For the driver `command`.
    #[garde(dive)]
    pub command: Command,
    /// For the driver `kubernetes`.
    #[garde(dive)]
    pub kubernetes: Kubernetes,
}

/// Who restarts a dead node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DriverKind {
    /// Nobody: dead nodes are declared dead, and an operator or the machine's own supervisor
    /// restarts them.
    #[default]
    None,
    /// The `weir up` that started this controller and its nodes; it sets this by itself.
    Process,
    /// A program of the operator's, such as `systemctl` or `ssh`.
    Command,
    /// Kubernetes: the node's pod is deleted, and made again by what owns it.
    Kubernetes,
}

impl DriverKind {
    /// As it is written in a config.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Process => "process",
            Self::Command => "command",
            Self::Kubernetes => "kubernetes",
        }
    }
}

/// How `weir up` is told.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Process {
    /// The Unix socket at which it listens.
    pub socket: Option<PathBuf>,
}

/// What is run to restart a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Command {
    /// The program and its arguments, as a list; no shell reads them. `{node}`, `{role}`, `{host}`
    /// (of its addresses), `{region}`, `{zone}` and `{incarnation}` are filled in.
    #[garde(length(max = 100))]
    pub argv: Vec<Template>,
    /// After this it is killed, and the restart has failed.
    #[garde(range(min = Duration::from_millis(100), max = Duration::from_secs(600)))]
    pub timeout: Duration,
}

/// Where a node's pod is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Kubernetes {
    /// The namespace of the pods. Default: that of the controller's own pod, or of the kubeconfig's
    /// context.
    #[garde(skip)]
    pub namespace: Option<String>,
    /// The pod's name; filled in as `command.argv` is.
    #[garde(skip)]
    pub pod: Template,
    /// A kubeconfig file. Default: the service account of the controller's own pod.
    #[garde(skip)]
    pub kubeconfig: Option<PathBuf>,
    /// How long the pod may take to end before it is killed. A node that hangs does not end by
    /// itself, so less than a healthy one needs is right.
    #[garde(range(max = Duration::from_secs(3600)))]
    pub grace: Duration,
    /// After this the API server is not waited for any longer, and the restart has failed.
    #[garde(range(min = Duration::from_millis(100), max = Duration::from_secs(600)))]
    pub timeout: Duration,
}

/// When nobody is declared dead or restarted, because it is more likely the controller that is cut
/// off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Freeze {
    /// More than this share of the origins, or of the edges, in percent, look dead …
    #[garde(range(max = 100))]
    pub percent: u8,
    /// … and these are at least so many …
    #[garde(range(min = 1))]
    pub nodes_min: u32,
    /// … and went silent within this time.
    #[garde(range(min = Duration::from_secs(1), max = Duration::from_secs(86_400)))]
    pub within: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            driver: DriverKind::None,
            in_flight_max: 2,
            patience: Duration::from_secs(60),
            wait_first: Duration::from_secs(10),
            wait_max: Duration::from_secs(600),
            forgiven_after: Duration::from_secs(600),
            held_for: Duration::from_secs(30),
            process: Process::default(),
            command: Command::default(),
            kubernetes: Kubernetes::default(),
        }
    }
}

impl Default for Command {
    fn default() -> Self {
        Self {
            argv: Vec::new(),
            timeout: Duration::from_secs(30),
        }
    }
}

impl Default for Kubernetes {
    fn default() -> Self {
        Self {
            namespace: None,
            pod: Template::node(),
            kubeconfig: None,
            grace: Duration::from_secs(5),
            timeout: Duration::from_secs(10),
        }
    }
}

impl Default for Freeze {
    fn default() -> Self {
        Self {
            percent: 50,
            nodes_min: 3,
            within: Duration::from_secs(300),
        }
    }
}

/// A driver needs what is its own.
fn complete(config: &Config) -> impl FnOnce(&DriverKind, &()) -> garde::Result + '_ {
    move |driver, _| {
        let missing = match driver {
            DriverKind::Process if config.process.socket.is_none() => "process.socket",
            DriverKind::Command if config.command.argv.is_empty() => "command.argv",
            DriverKind::None
            | DriverKind::Process
            | DriverKind::Command
            | DriverKind::Kubernetes => return Ok(()),
        };
        Err(garde::Error::new(format!(
            "{} needs restart.{missing}",
            driver.as_str()
        )))
    }
}

#[cfg(test)]
mod tests {
    use crate::Config;

    fn load(text: &str) -> Result<Config, String> {
        service::config::from_text("weir.yaml", text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_driver_without_what_it_needs_is_refused_by_name() {
        for (text, says) in [
            (
                "restart: {driver: command}",
                "command needs restart.command.argv",
            ),
            (
                "restart: {driver: process}",
                "process needs restart.process.socket",
            ),
            (
                "restart: {driver: command, command: {argv: [ssh, '{hots}']}}",
                "{hots}",
            ),
            (
                "restart: {driver: kubernetes, kubernetes: {pod: '{x'}}",
                "{x",
            ),
            ("freeze: {percent: 101}", "freeze.percent"),
        ] {
            let refused = load(text).expect_err(text);
            assert!(refused.contains(says), "{text}: {refused}");
        }
        let good = "restart: {driver: command, command: {argv: [ssh, '{host}', 'restart {role}']}}";
        load(good).expect("a good config");
    }
}
