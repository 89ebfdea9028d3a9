//! What the browser says.

/// Above the lines of a menu.
pub(crate) const MENU: &str = "Arrow keys move, <Enter> opens a submenu --->, highlighted letters are hotkeys. \
     <Y> builds in, <M> makes a module, <N> leaves out, <Space> goes through them. \
     Legend: [*] built in  [ ] left out  <M> module  < > may be a module  -*- held by another option";

/// Above the members of a choice.
pub(crate) const CHOICE: &str = "One of these is set. Move with the arrow keys or the first letter of a line, \
     and set it with <Space> or <Enter>. <?> tells more, <W> why it is so, <=> what it would need.";

/// Above the line in which a number is typed.
pub(crate) const INT: &str = "A whole number, in decimal.";
/// Above the line in which a hexadecimal number is typed.
pub(crate) const HEX: &str = "A hexadecimal number; 0x may be left out.";
/// Above the line in which a text is typed.
pub(crate) const STRING: &str = "A text.";

/// Above the line in which a search is typed.
pub(crate) const SEARCH: &str =
    "Part of an option's name, with or without CONFIG_, or a regular expression. Prompts are searched too.";

/// Above the line in which a file to be written is named.
pub(crate) const SAVE: &str = "The file to write this configuration to. Empty: none.";
/// Above the line in which a file to be read is named.
pub(crate) const LOAD: &str =
    "The configuration file to go on with; what was changed here and not saved is lost. Empty: none.";

/// Above the line in which a wanted value is typed.
pub(crate) const NEED: &str = "The value it should have; the changes that lead there are looked for.";

/// Said with the question at the end.
pub(crate) const UNSAVED: &str = "<Esc><Esc> goes back to them.";

/// Said when y was pressed, and only m is possible.
pub(crate) const ONLY_MODULE: &str =
    "It depends on something that is a module, so it became a module too: y is not possible.";

/// In an empty menu.
pub(crate) const EMPTY: &str = "Nothing here can be set now. <Z> shows what is hidden.";

/// Help on searching.
pub(crate) const SEARCH_HELP: &str = "\
What is typed is looked for in the names of options, as a regular expression, upper
and lower case alike:

  USB        every name with USB in it
  ^USB       names that begin with USB
  USB$       names that end with USB
  ^USB$      the option USB alone

An option whose whole name fits comes first, the others follow by name, then those
in whose prompt it was found.

Of each option you see its value, type and prompt, the file it is defined in, what it
depends on with the values these have now, the way to it through the menus, what it
selects and what selects it, and, if it cannot be set now, why.

  1 to 9     go to the place with that number on the page; leaving it comes back here
  Tab        mark the next option (Shift-Tab: the one before)
  w          why the marked option has its value
  =          what the marked option would need to have another one
";

/// Help on saving.
pub(crate) const SAVE_HELP: &str = "\
The name shown is the file this configuration came from. Under another name you keep
a second configuration beside it; from then on that file is the one being edited.
";

/// Help on loading.
pub(crate) const LOAD_HELP: &str = "\
The file's options take the place of all that is set here; options it does not name
get their defaults. The name shown is the file this configuration came from: taking it
again drops every change since it was saved.
";

/// Help on asking for a value.
pub(crate) const NEED_HELP: &str = "\
Type y, m or n, or the number or text the option should have. You then see the smallest
set of changes that leads there, or why there is none, and can take them over.
";

/// Help on the whole.
pub(crate) const README: &str = "\
The keys are those of the kernel's menuconfig.

Lines
-----
  [*] [ ]    built in, or left out
  <*> <M> < > built in, a module, or left out
  {*} {M}    built in or a module: another option needs at least a module
  -*- -M- - - held by another option; <W> tells by which
  (text)     a number or text; <Enter> changes it
  --->       a menu; <Enter> opens it. ----: nothing in it can be set now
  (NEW)      nothing was said about it: it has its default
  *** ***    a remark

Menus
-----
  Up, Down, + and -, Page Up, Page Down, Home, End
             move
  Enter      does what the marked button at the bottom says: opens a menu, a choice, a
             number or text
  Left, Right, Tab
             mark another button: Select, Exit, Help, Save, Load
  y m n      build in, make a module, leave out
  Space      the next of these; opens a menu
  letters    the highlighted one jumps to its line, again and again
  ? or h     help on the line
  /          search for options
  z          show hidden options too, or no more
  w          why the option has its value
  =          what must change for it to have another one
  Esc Esc, e, x
             back; at the top the end. One Esc does it after a second
  Ctrl-C     the end, from anywhere

Choices
-------
  Space, Enter or s sets the line; first letters jump.

Numbers and texts
-----------------
  Enter takes what is typed, Tab goes to the buttons, Ctrl-U empties the line.

Texts like this one
-------------------
  Up and Down or k and j by a line, Page Up and Page Down or b and Space by a page, g to
  the beginning, G to the end. Enter, q, e, x or Esc Esc leaves.
";
