//! Options that have another name in another series of the kernel.

use std::sync::OnceLock;

use serde::Deserialize;

/// `data/renamed-options.toml`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Renamed {
    /// Older and newer name.
    renamed: Vec<(String, String)>,
}

fn pairs() -> &'static [(String, String)] {
    static PAIRS: OnceLock<Vec<(String, String)>> = OnceLock::new();
    PAIRS.get_or_init(|| {
        let text = include_str!("../data/renamed-options.toml");
        // A test reads it whole.
        toml::from_str::<Renamed>(text).map_or(Vec::new(), |data| data.renamed)
    })
}

/// The name by which a tree knows the option that another series calls `name`; `knows` says which names the tree has.
pub fn name_here(name: &str, knows: impl Fn(&str) -> bool) -> Option<&'static str> {
    let other = |(older, newer): &'static (String, String)| match name {
        name if name == older => Some(newer.as_str()),
        name if name == newer => Some(older.as_str()),
        _ => None,
    };
    pairs().iter().filter_map(other).find(|other| knows(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_is_read_whole_and_works_both_ways() {
        let data: Renamed = toml::from_str(include_str!("../data/renamed-options.toml")).unwrap();
        assert_eq!(data.renamed.len(), pairs().len());
        assert!(pairs().len() > 20);
        assert_eq!(name_here("RETPOLINE", |_| true), Some("MITIGATION_RETPOLINE"));
        assert_eq!(name_here("MITIGATION_RETPOLINE", |name| name == "RETPOLINE"), Some("RETPOLINE"));
        assert_eq!(name_here("RETPOLINE", |_| false), None);
        assert_eq!(name_here("PRINTK", |_| true), None);
    }
}
