//! Generates the messages, the client and the server from `control/v1` into `OUT_DIR`.
//!
//! Runs the protoc that is a build dependency of this crate where there is one for the machine that
//! builds, else the one that `PROTOC` or the path names.

fn main() -> std::io::Result<()> {
    #[allow(unused_mut)]
    let mut config = tonic_prost_build::Config::new();
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    config.protoc_executable(protoc_bin_vendored_linux_x86_64::protoc_bin_path());
    #[cfg(all(target_os = "linux", target_arch = "aarch64"))]
    config.protoc_executable(protoc_bin_vendored_linux_aarch_64::protoc_bin_path());
    tonic_prost_build::configure().compile_with_config(
        config,
        &["control/v1/control.proto"],
        &["."],
    )
}
