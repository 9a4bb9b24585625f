//! Promises of the config: errors that lead to the place, variables over files, honest pages.

use std::collections::BTreeMap;

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::*;

/// As a program's config is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Sample {
    /// What the node is called.
    #[garde(skip)]
    name: Option<String>,
    /// RTMP.
    #[garde(dive)]
    rtmp: Rtmp,
    /// Copies out.
    #[garde(dive)]
    forward: Vec<Forward>,
    /// By virtual host.
    #[garde(dive)]
    vhosts: BTreeMap<String, Vhost>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Rtmp {
    /// Where publishers and players connect.
    #[garde(skip)]
    listen: Listen,
    /// Bytes of a chunk that we send.
    #[garde(range(min = 128, max = 65536))]
    chunk_size: u32,
    /// How long writes are collected.
    #[garde(range(max = Duration::from_millis(350)))]
    merge_write: Duration,
    /// What a second publisher of a stream meets.
    #[garde(skip)]
    second: Second,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Second {
    /// It is told to go.
    Refuse,
    /// It takes the stream.
    TakeOver,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Forward {
    /// Where to.
    #[garde(length(min = 1))]
    url: String,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Vhost {
    /// Whether a late player starts in the past.
    #[garde(skip)]
    gop_cache: bool,
}

impl Default for Rtmp {
    fn default() -> Self {
        Self {
            listen: Listen::everywhere(1935),
            chunk_size: 60_000,
            merge_write: Duration::from_millis(0),
            second: Second::Refuse,
        }
    }
}

fn refused(text: &str) -> String {
    from_text::<Sample>("origin.yaml", text)
        .expect_err(text)
        .to_string()
}

fn with(variables: &[(&str, &str)]) -> Result<Loaded<Sample>, Error> {
    load_with(
        None,
        variables
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned())),
    )
}

#[test]
fn an_error_names_file_line_key_and_what_was_expected() {
    for (text, told) in [
        (
            "rtmp:\n  listen: :1935\n  chunk_size: big\n",
            "origin.yaml:3:15: rtmp.chunk_size: this is no number; expected integer, 128 to 65536",
        ),
        (
            "rtmp:\n  chunk_size: 5\n",
            "origin.yaml:2:15: rtmp.chunk_size: lower than 128; expected integer, 128 to 65536",
        ),
        (
            "rtmp:\n  merge_write: 5s\n",
            "origin.yaml:2:16: rtmp.merge_write: greater than 350ms; expected time",
        ),
        (
            "forward:\n- {}\n",
            "origin.yaml:2:3: forward[0]: missing field `url`",
        ),
        (
            "- a\n",
            "origin.yaml:1:1: this has no keys; expected `key: value` lines",
        ),
        (
            "rtmp: :1935\n",
            "origin.yaml:1:7: rtmp: this has no keys; expected `key: value` lines",
        ),
        (
            "forward: rtmp://b/live\n",
            "origin.yaml:1:10: forward: this is no list; expected a list: `[a, b]`",
        ),
        (
            "rtmp:\n  listen: [\":1935\"]\n",
            "origin.yaml:2:11: rtmp.listen: this is more than one value; expected ip:port",
        ),
    ] {
        let refused = refused(text);
        assert_eq!(refused.lines().next(), Some(told));
        let offender = text.trim_end().lines().last().expect("a line");
        assert!(
            refused.contains(offender),
            "{offender} is shown in\n{refused}"
        );
    }
}

#[test]
fn the_picture_points_and_leaves_the_words_to_the_headline() {
    assert_eq!(
        refused("forward: x\n"),
        "origin.yaml:1:10: forward: this is no list; expected a list: `[a, b]`\n \
         --> origin.yaml:1:10\n  |\n1 | forward: x\n  |          ^"
    );
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_one() {
    for (text, told) in [
        (
            "rtmp:\n  chunk_sise: 5\n",
            "origin.yaml:2:3: rtmp.chunk_sise: unknown key `chunk_sise`; did you mean `chunk_size`?",
        ),
        (
            "rmtp: {}\n",
            "origin.yaml:1:1: rmtp: unknown key `rmtp`; did you mean `rtmp`?",
        ),
        ("zoo: {}\n", "origin.yaml:1:1: zoo: unknown key `zoo`"),
    ] {
        assert_eq!(refused(text).lines().next(), Some(told));
    }
}

#[test]
fn a_variable_wins_over_the_file_and_its_value_is_yaml() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(
        file.path(),
        "name: a\nrtmp: { chunk_size: 4096 }\nforward: [{ url: x }]\n",
    )
    .expect("written");
    let variables = [
        ("WEIR_NAME", "123"),
        ("WEIR_RTMP__LISTEN", "127.0.0.1:5"),
        ("WEIR_FORWARD__0__URL", "rtmp://b/live"),
        ("WEIR_VHOSTS__X__GOP_CACHE", "true"),
        ("WEIR_ORIGIN_PORT", "tcp://10.0.0.1:1935"),
        ("WEIR_NAM", "typing error"),
        ("PATH", "/bin"),
    ];
    let variables = variables.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let Loaded { config, ignored } =
        load_with::<Sample>(Some(file.path()), variables).expect("a good config");
    assert_eq!(config.name.as_deref(), Some("123"));
    assert_eq!(config.rtmp.listen.to_string(), "127.0.0.1:5");
    assert_eq!(config.rtmp.chunk_size, 4096);
    assert_eq!(
        config.forward,
        [Forward {
            url: "rtmp://b/live".into()
        }]
    );
    assert!(config.vhosts["x"].gop_cache);
    let passed_over = |name: &str, nearest: Option<&str>| Ignored {
        name: name.into(),
        nearest: nearest.map(str::to_owned),
    };
    assert_eq!(
        ignored,
        [
            passed_over("WEIR_NAM", Some("name")),
            passed_over("WEIR_ORIGIN_PORT", None),
        ]
    );
}

#[test]
fn a_bad_variable_is_named() {
    for (name, value, told) in [
        (
            "WEIR_RTMP__CHUNK_SISE",
            "5",
            "the environment's WEIR_RTMP__CHUNK_SISE: rtmp.chunk_sise: unknown key `chunk_sise`; \
             did you mean `chunk_size`?",
        ),
        (
            "WEIR_RMTP__LISTEN",
            ":5",
            "the environment's WEIR_RMTP__LISTEN: rmtp.listen: unknown key `rmtp`; \
             did you mean `rtmp`?",
        ),
        (
            "WEIR_RTMP__CHUNK_SIZE",
            "big",
            "the environment's WEIR_RTMP__CHUNK_SIZE: rtmp.chunk_size: this is a string \
             \"big\"; expected integer, 128 to 65536",
        ),
        (
            "WEIR_FORWARD",
            "x",
            "the environment's WEIR_FORWARD: forward: this is a string \"x\", expected a \
             list: `[a, b]`",
        ),
        (
            "WEIR_RTMP",
            "x",
            "the environment's WEIR_RTMP: rtmp: this is a string \"x\", expected `{key: value}`",
        ),
        (
            "WEIR_RTMP__CHUNK_SIZE",
            "5",
            "the environment's WEIR_RTMP__CHUNK_SIZE: rtmp.chunk_size: lower than 128; \
             expected integer, 128 to 65536",
        ),
        (
            "WEIR_FORWARD__0__URL",
            "x",
            "the environment's WEIR_FORWARD__0__URL: forward.0.url: leads through a key that has \
             no keys below it; expected text",
        ),
    ] {
        assert_eq!(with(&[(name, value)]).expect_err(name).to_string(), told);
    }
}

#[test]
fn without_a_file_or_with_an_empty_one_every_key_has_its_default() {
    assert_eq!(with(&[]).expect("defaults").config, Sample::default());
    for text in ["", "# nothing\n\n  # at all\n"] {
        assert_eq!(
            from_text::<Sample>("f", text).expect("defaults"),
            Sample::default()
        );
    }
}

#[test]
fn a_file_that_is_missing_or_huge_is_refused_by_name() {
    let missing = Path::new("no/such/file.yaml");
    let refused = load::<Sample>(Some(missing))
        .expect_err("no file")
        .to_string();
    assert!(
        refused.starts_with("cannot read the config no/such/file.yaml: "),
        "{refused}"
    );
    let file = tempfile::NamedTempFile::new().expect("a file");
    file.as_file()
        .set_len(limits::CONFIG_FILE_BYTES_MAX + 1)
        .expect("long");
    assert!(matches!(
        load::<Sample>(Some(file.path())),
        Err(Error::TooLarge { .. })
    ));
}

#[test]
fn the_example_states_every_default_and_loads() {
    let example = example::<Sample>();
    assert_eq!(
        from_text::<Sample>("example", &example).expect(&example),
        Sample::default()
    );
    for key in [
        "# name:",
        "  listen: \":1935\"",
        "  merge_write: 0s",
        "  second: refuse",
    ] {
        assert!(
            example.lines().any(|line| line == key),
            "{key} in\n{example}"
        );
    }
}

#[test]
fn the_reference_has_every_key_with_kind_default_and_meaning() {
    let page = reference::<Sample>();
    for row in [
        "| `name` | text |  | What the node is called. |",
        "| `rtmp.chunk_size` | integer, 128 to 65536 | `60000` | Bytes of a chunk that we send. |",
        "| `rtmp.merge_write` | time | `0s` | How long writes are collected. |",
        "| `rtmp.second` | one of refuse, take_over | `refuse` | What a second publisher of a \
         stream meets. |",
        "| `forward[].url` | text |  | Where to. |",
        "| `vhosts.*.gop_cache` | boolean |  | Whether a late player starts in the past. |",
    ] {
        assert!(page.lines().any(|line| line == row), "{row} in\n{page}");
    }
}
