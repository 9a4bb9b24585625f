//! promtool: Prometheus's judgement of a metrics page.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tokio::{io::AsyncWriteExt, process::Command};

/// Wants `promtool check metrics` to find nothing wrong with a page in Prometheus's text format.
///
/// # Errors
/// If it is not installed, or finds something; with its words.
pub async fn check_metrics(page: &str) -> Result<()> {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("promtool (Debian: prometheus) cannot be started")?;
    let mut input = promtool
        .stdin
        .take()
        .context("its standard input is a pipe")?;
    input.write_all(page.as_bytes()).await?;
    drop(input);
    let output = promtool.wait_with_output().await?;
    let said = [output.stdout, output.stderr].concat();
    let complaints = String::from_utf8_lossy(&said);
    ensure!(
        output.status.success() && complaints.is_empty(),
        "promtool says:\n{complaints}"
    );
    Ok(())
}
