//! The committed document is the one that the types make.

use std::{env, fs, path::Path};

/// To bring it up to date: `WEIR_UPDATE=1 cargo test -p weir-api --test openapi`.
#[test]
fn the_committed_document_is_up_to_date() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ref/openapi.json");
    let made = api::openapi::openapi_json();
    if env::var_os("WEIR_UPDATE").is_some() {
        fs::write(&file, &made).expect("docs/ref can be written");
    }
    let committed = fs::read_to_string(&file).expect("docs/ref/openapi.json is committed");
    let differs = committed
        .lines()
        .zip(made.lines())
        .position(|(old, new)| old != new);
    assert!(
        committed == made,
        "docs/ref/openapi.json is old, the first difference is in line {}; \
         run WEIR_UPDATE=1 cargo test -p weir-api --test openapi",
        differs.map_or(
            committed.lines().count().min(made.lines().count()),
            |line| line
        ) + 1
    );
}
