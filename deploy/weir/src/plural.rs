//! A number and what it counts, as people say it.

/// `1 edge`, `2 edges`; for nouns that only take an s.
pub(crate) fn counted(number: impl Into<u64>, noun: &str) -> String {
    match number.into() {
        1 => format!("1 {noun}"),
        number => format!("{number} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_many() {
        let said = [0_u64, 1, 2].map(|number| counted(number, "player"));
        assert_eq!(said, ["0 players", "1 player", "2 players"]);
    }
}
