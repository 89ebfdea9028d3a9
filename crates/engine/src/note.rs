//! Notes in the store's folder that only save time: what is lost, damaged or cannot be written is found out again.

use serde::Serialize;
use serde::de::DeserializeOwned;
use store::Store;

/// The note called `name`, if it is there and whole.
pub(crate) fn read<T: DeserializeOwned>(store: &Store, name: &str) -> Option<T> {
    serde_json::from_str(&std::fs::read_to_string(store.root().join(name)).ok()?).ok()
}

/// Keeps `note` under `name`, instead of the one before.
pub(crate) fn keep<T: Serialize>(store: &Store, name: &str, note: &T) {
    if let Ok(text) = serde_json::to_string(note) {
        let _ = base::write_whole(&store.root().join(name), text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_note_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("store")).unwrap();
        assert_eq!(read::<u32>(&store, "a.json"), None);
        keep(&store, "a.json", &7);
        keep(&store, "a.json", &8);
        assert_eq!(read::<u32>(&store, "a.json"), Some(8));
        std::fs::write(store.root().join("a.json"), "8 o").unwrap();
        assert_eq!(read::<u32>(&store, "a.json"), None);
    }
}
