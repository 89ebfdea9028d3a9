//! Where things stand on a screen of any size. From 65 x 19 on it is menuconfig's layout; below, the frame, the explanation and
//! the blanks go first.

use ratatui::layout::{Rect, Size};

use crate::text_box::wrap;

/// A smaller screen shows nothing but a request for a larger one.
pub(crate) const SMALLEST: Size = Size { width: 24, height: 9 };
/// From here on a dialog has a margin and a shadow (MENUBOX_WIDTH_MIN and WINDOW_HEIGHT_MIN of lxdialog/dialog.h).
const ROOMY: Size = Size { width: 65, height: 19 };

/// A dialog and its parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The dialog with its frame.
    pub dialog: Rect,
    /// Whether it has a shadow.
    pub shadow: bool,
    /// What explains it, in rows.
    pub words: Vec<String>,
    /// The box inside, with its frame: a list, or a line that is typed.
    pub inner: Rect,
    /// The row of the line between the box and the buttons.
    pub rule: u16,
    /// The row of the buttons.
    pub buttons: u16,
}

impl Layout {
    /// How many lines of a list or text are seen.
    pub fn height(&self) -> usize {
        usize::from(self.inner.height.saturating_sub(2))
    }

    /// How wide a line may be.
    pub fn width(&self) -> usize {
        usize::from(self.inner.width.saturating_sub(2))
    }
}

fn is_roomy(size: Size) -> bool {
    size.width >= ROOMY.width && size.height >= ROOMY.height
}

/// The room for dialogs: below the title's two rows and above the footer's one.
fn room(size: Size) -> Rect {
    match is_roomy(size) {
        true => Rect::new(2, 2, size.width - 5, size.height - 4),
        false => Rect::new(0, 1, size.width, size.height.saturating_sub(2)),
    }
}

/// A dialog as large as can be.
pub(crate) fn large(size: Size, words: &str) -> Layout {
    parts(size, room(size), words, u16::MAX)
}

/// A dialog in the middle, `width` wide, for `lines` lines in its box.
pub(crate) fn small(size: Size, words: &str, width: usize, lines: usize) -> Layout {
    let room = room(size);
    let width = u16::try_from(width).unwrap_or(u16::MAX).clamp(20.min(room.width), room.width);
    let words_height = wrap(words, usize::from(width).saturating_sub(4)).len();
    let for_box = if lines == 0 { 0 } else { lines + 2 };
    let wanted = u16::try_from(words_height + for_box + 4).unwrap_or(u16::MAX);
    let height = wanted.min(room.height);
    let (x, y) = (room.x + (room.width - width) / 2, room.y + (room.height - height) / 2);
    parts(size, Rect::new(x, y, width, height), words, u16::try_from(lines).unwrap_or(u16::MAX))
}

fn parts(size: Size, dialog: Rect, words: &str, lines: u16) -> Layout {
    // The frame, the rule, the buttons, and a box with what is wanted of it.
    let least = 4 + if lines == 0 { 0 } else { lines.min(5) + 2 };
    let for_words = usize::from(dialog.height.saturating_sub(least));
    let mut rows = wrap(words, usize::from(dialog.width).saturating_sub(4));
    if words.is_empty() || rows.len() > for_words {
        rows.clear();
    }
    let top = dialog.y + 1 + rows.len() as u16;
    let buttons = (dialog.y + dialog.height).saturating_sub(2);
    let rule = buttons.saturating_sub(1);
    let margin = if is_roomy(size) { 2 } else { 1 };
    let inner = Rect::new(
        dialog.x + margin,
        top,
        dialog.width.saturating_sub(2 * margin),
        rule.saturating_sub(top).min(if lines == 0 { 0 } else { lines.saturating_add(2) }),
    );
    Layout { dialog, shadow: is_roomy(size), words: rows, inner, rule, buttons }
}

/// A dialog as large as can be for a text, which has no box of its own: `inner` is the text with a frame's width around.
pub(crate) fn text(size: Size) -> Layout {
    let mut layout = parts(size, room(size), "", u16::MAX);
    layout.inner = Rect {
        y: layout.dialog.y,
        height: (layout.rule + 1).saturating_sub(layout.dialog.y),
        x: layout.dialog.x + 1,
        width: layout.dialog.width.saturating_sub(2),
    };
    layout
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_lines_on_every_screen_that_is_large_enough() {
        for width in SMALLEST.width..200 {
            for height in SMALLEST.height..80 {
                let size = Size { width, height };
                let screen = Rect::new(0, 0, width, height);
                for layout in [
                    large(size, crate::words::MENU),
                    small(size, crate::words::CHOICE, 65, 6),
                    small(size, crate::words::SEARCH, 75, 1),
                    text(size),
                ] {
                    assert!(layout.height() >= 1, "{size}: {layout:?}");
                    assert_eq!(screen.union(layout.dialog), screen, "{size}: {layout:?}");
                    assert!(layout.inner.bottom() <= layout.rule + 1, "{size}: {layout:?}");
                    assert!(layout.dialog.bottom() < height, "the footer is free: {size}: {layout:?}");
                }
            }
        }
    }

    #[test]
    fn the_usual_terminal_has_menuconfigs_frame() {
        let layout = large(Size { width: 80, height: 24 }, crate::words::MENU);
        assert_eq!(layout.dialog, Rect::new(2, 2, 75, 20));
        assert_eq!((layout.rule, layout.buttons), (19, 20));
        assert!(layout.height() >= 10);
    }
}
