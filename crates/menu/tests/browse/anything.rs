//! Whatever is pressed, on whatever screen.

use proptest::prelude::*;

use super::*;

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        6 => prop::sample::select(&[
            Key::Enter, Key::Enter, Key::Escape, Key::Pause, Key::Tab, Key::BackTab, Key::Left, Key::Right, Key::Up,
            Key::Down, Key::Down, Key::PageUp, Key::PageDown, Key::Home, Key::End, Key::Backspace, Key::Delete, Key::Erase,
        ][..]),
        6 => prop::sample::select(&b"ymn /?zw=hsex1230.$"[..]).prop_map(|it| Key::Character(char::from(it))),
        1 => any::<char>().prop_map(Key::Character),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// It goes on, what it shows has no control characters, and what is left is a configuration that stays as it is when it is
    /// read again.
    #[test]
    fn any_keys_on_any_screen(
        legacy in any::<bool>(),
        keys in prop::collection::vec(key(), 0..120),
        sizes in prop::collection::vec((0u16..160, 0u16..60), 1..4),
    ) {
        let model = model(DIALECTS[usize::from(!legacy)], TREE);
        let mut browser = Browser::new(&model, "CONFIG_BUS=m\n");
        for (index, &key) in keys.iter().enumerate() {
            if browser.end.is_some() {
                break;
            }
            if index % 40 == 0 {
                let (width, height) = sizes[index / 40 % sizes.len()];
                browser.size(width, height);
            }
            browser.key(key);
            // Drawing is what takes long.
            if index % 5 != 4 {
                continue;
            }
            let (buffer, cursor) = browser.draw(true);
            prop_assert!(buffer.content().iter().all(|cell| !cell.symbol().chars().any(char::is_control)));
            let (width, height) = browser.size;
            prop_assert!(cursor.is_none_or(|(x, y)| x < width && y < height), "{cursor:?} on {width} x {height}");
        }
        let text = browser.state.configuration().to_dot_config();
        let (mut again, _) = Configuration::resolve(&model, Start::OldDefault, ".config", text.as_bytes());
        prop_assert_eq!(again.to_dot_config(), text);
    }
}
