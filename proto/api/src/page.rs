//! How long lists are cut: `limit` items a page, in a fixed order, the next page after `next`.
//!
//! A page is a cut through the list as it is now: what appears or goes between two pages is or is
//! not on the second, and nothing that stays is on neither.

/// Items on a page if the client does not say.
pub const LIMIT_DEFAULT: usize = 100;

/// Items on a page at most: about a megabyte of streams.
pub const LIMIT_MAX: usize = 1_000;

/// How many items a page has that was asked for with `limit`.
pub fn limit(asked: Option<usize>) -> usize {
    asked.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX)
}

/// One page of an iterator that is in order and begins after the client's `after`; and the key of
/// its last item, if there are more.
pub fn cut<T>(
    items: impl Iterator<Item = T>,
    limit: usize,
    key: impl Fn(&T) -> String,
) -> (Vec<T>, Option<String>) {
    let mut items: Vec<T> = items.take(limit.saturating_add(1)).collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let next = if more { items.last().map(key) } else { None };
    (items, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_together_are_the_list() {
        let list = ["a", "b", "c", "d", "e"];
        let page = |after: &str| {
            let rest = list.iter().copied().filter(|item| *item > after);
            cut(rest.collect::<Vec<_>>().into_iter(), 2, |item| {
                (*item).to_owned()
            })
        };
        assert_eq!(page(""), (vec!["a", "b"], Some("b".into())));
        assert_eq!(page("b"), (vec!["c", "d"], Some("d".into())));
        assert_eq!(page("d"), (vec!["e"], None));
    }

    #[test]
    fn a_full_last_page_names_no_next() {
        assert_eq!(cut(["a", "b"].into_iter(), 2, |_| String::new()).1, None);
    }

    #[test]
    fn nobody_gets_an_empty_or_an_endless_page() {
        let asked = [None, Some(0), Some(7), Some(usize::MAX)].map(limit);
        assert_eq!(asked, [LIMIT_DEFAULT, 1, 7, LIMIT_MAX]);
    }
}
