//! The device tables in a driver's C source, where no built module says what they hold.
//!
//! A table is an array of `struct pci_device_id` and its kin (kernel: include/linux/mod_devicetable.h) that is handed to a driver;
//! what is made of it here is what scripts/mod/file2alias.c makes of the compiled one. The source is read without a compiler: of
//! `#if` both sides count, and an entry whose numbers cannot be worked out is counted and left out.

mod expand;
mod token;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use expand::Macros;
use token::{Pieces, Token, pieces};

/// The kernel's headers whose macros tables are written with.
const COMMON_HEADERS: &[&str] = &[
    "include/linux/mod_devicetable.h",
    "include/linux/pci_ids.h",
    "include/linux/pci.h",
    "include/linux/acpi.h",
    "include/uapi/linux/virtio_ids.h",
    "include/linux/virtio.h",
    "include/uapi/linux/serio.h",
    "include/linux/serio.h",
    "include/scsi/scsi_proto.h",
];
/// How deep a driver's headers name each other.
const DEEPEST: usize = 3;
/// Longer headers are lists of registers; no device table stands in one.
const LONGEST_HEADER: usize = 512 << 10;
/// Longer sources are no driver's either: the longest of 6.12 has 900 kB.
const LONGEST_SOURCE: usize = 4 << 20;

/// What the source of one driver claims.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claimed {
    /// Patterns, as in a module's aliases.
    pub patterns: Vec<String>,
    /// Entries that could not be worked out.
    pub not_understood: usize,
}

/// Reads the sources of one tree.
#[derive(Debug)]
pub struct Tables<'t> {
    read: &'t dyn FileSource,
    common: Macros<'static>,
    headers: std::cell::RefCell<HashMap<PathBuf, Option<Rc<Pieces>>>>,
}

/// The files of a tree, by their paths in it.
pub trait FileSource: std::fmt::Debug {
    /// A file's text; nothing if there is none.
    fn text(&self, path: &Path) -> Option<String>;
}

impl<'t> Tables<'t> {
    /// For a tree; its common headers are read at once.
    pub fn new(read: &'t dyn FileSource) -> Tables<'t> {
        let mut common = Macros::above(None);
        for header in COMMON_HEADERS {
            let text = read.text(Path::new(header)).unwrap_or_default();
            for (name, definition) in pieces(&text).macros {
                // `#define virtio_device_id …`: nobody does that to a name we look for.
                common.define(name, definition);
            }
        }
        Tables { read, common, headers: Default::default() }
    }

    /// Whether a source may have a table at all: spares most of them the reading.
    pub fn is_worth_reading(source: &str) -> bool {
        const SIGNS: [&str; 5] =
            ["_device_id", "MODULE_ALIAS", "MODULE_DEVICE_TABLE", "id_table", "struct platform_driver"];
        source.len() <= LONGEST_SOURCE && SIGNS.iter().any(|sign| source.contains(sign))
    }

    /// What the source at `path` claims.
    pub fn claimed(&self, path: &Path, source: &str) -> Claimed {
        let mut claimed = Claimed::default();
        if !Tables::is_worth_reading(source) {
            return claimed;
        }
        let mut file = pieces(source);
        let mut macros = Macros::above(Some(&self.common));
        let mut tokens = Vec::new();
        let mut seen = HashSet::new();
        self.include(path, &file, DEEPEST, &mut macros, &mut tokens, &mut seen);
        tokens.append(&mut file.tokens);
        file.macros.drain(..).for_each(|(name, definition)| macros.define(name, definition));
        let handed = handed_to_drivers(&tokens);
        for (kind, name, body) in arrays(&tokens) {
            if handed.contains(&name) {
                table(kind, &macros.expand(body), &macros, &mut claimed);
            }
        }
        platform_names(&tokens, &macros, &mut claimed);
        aliases(&tokens, &macros, &mut claimed);
        claimed.patterns.sort();
        claimed.patterns.dedup();
        claimed
    }

    /// The pieces of the headers beside a source.
    fn include<'m>(
        &self,
        path: &Path,
        file: &Pieces,
        depth: usize,
        macros: &mut Macros<'m>,
        tokens: &mut Vec<Token>,
        seen: &mut HashSet<PathBuf>,
    ) {
        let folder = path.parent().unwrap_or(Path::new(""));
        for name in &file.includes {
            let Some(header) = beside(folder, name) else { continue };
            if depth == 0 || !seen.insert(header.clone()) {
                continue;
            }
            let Some(found) = self.header(&header) else { continue };
            self.include(&header, &found, depth - 1, macros, tokens, seen);
            tokens.extend(found.tokens.iter().cloned());
            found
                .macros
                .iter()
                .for_each(|(name, definition)| macros.define(name.clone(), definition.clone()));
        }
    }

    fn header(&self, path: &Path) -> Option<Rc<Pieces>> {
        if let Some(known) = self.headers.borrow().get(path) {
            return known.clone();
        }
        let text = self.read.text(path).filter(|text| text.len() <= LONGEST_HEADER);
        let found = text.map(|text| {
            let mut found = pieces(&text);
            if !text.contains("_device_id") {
                found.tokens.clear();
            }
            Rc::new(found)
        });
        self.headers.borrow_mut().insert(path.to_path_buf(), found.clone());
        found
    }
}

/// `folder/name` without `.` and `..`; nothing where it leaves the tree.
fn beside(folder: &Path, name: &str) -> Option<PathBuf> {
    let mut path = folder.to_path_buf();
    for part in Path::new(name).components() {
        match part {
            std::path::Component::Normal(part) => path.push(part),
            std::path::Component::ParentDir => {
                if !path.pop() {
                    return None;
                }
            }
            std::path::Component::CurDir => {}
            _ => return None,
        }
    }
    Some(path)
}

/// The tables that are known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Pci,
    Acpi,
    Pnp,
    Virtio,
    Platform,
    DeviceTree,
    Serio,
}

impl Kind {
    fn of(word: &str) -> Option<Kind> {
        Some(match word {
            "pci_device_id" => Kind::Pci,
            "acpi_device_id" => Kind::Acpi,
            "pnp_device_id" => Kind::Pnp,
            "virtio_device_id" => Kind::Virtio,
            "platform_device_id" => Kind::Platform,
            "of_device_id" => Kind::DeviceTree,
            "serio_device_id" => Kind::Serio,
            _ => return None,
        })
    }

    /// The members in their order, as far as they matter (include/linux/mod_devicetable.h).
    fn members(self) -> &'static [&'static str] {
        match self {
            Kind::Pci => &[
                "vendor",
                "device",
                "subvendor",
                "subdevice",
                "class",
                "class_mask",
                "driver_data",
                "override_only",
            ],
            Kind::Acpi => &["id", "driver_data", "cls", "cls_msk"],
            Kind::Pnp => &["id", "driver_data"],
            Kind::Virtio => &["device", "vendor"],
            Kind::Platform => &["name", "driver_data"],
            Kind::DeviceTree => &["name", "type", "compatible", "data"],
            Kind::Serio => &["type", "extra", "id", "proto"],
        }
    }
}

/// `struct KIND NAME[] = { … }`: the kind, the name, and what is between the braces.
fn arrays(tokens: &[Token]) -> Vec<(Kind, Rc<str>, &[Token])> {
    let mut found = Vec::new();
    for at in 1..tokens.len() {
        let Token::Word(word) = &tokens[at] else { continue };
        let Some(kind) = Kind::of(word) else { continue };
        if tokens[at - 1] != Token::Word("struct".into()) {
            continue;
        }
        // The name, then `[…]`, attributes, `= {`: no more than a line has.
        let Some(open) = tokens[at..].iter().take(24).position(|token| *token == Token::Sign("{")) else {
            continue;
        };
        let head = &tokens[at + 1..at + open];
        let Some(bracket) = head.iter().position(|token| *token == Token::Sign("[")) else { continue };
        let name = match head.get(bracket.wrapping_sub(1)) {
            Some(Token::Word(name)) if head.last() == Some(&Token::Sign("=")) => name.clone(),
            _ => continue,
        };
        if let Some(length) = closing(&tokens[at + open..]) {
            found.push((kind, name, &tokens[at + open + 1..at + open + length]));
        }
    }
    found
}

/// Where the brace that these pieces begin with is closed.
fn closing(tokens: &[Token]) -> Option<usize> {
    let mut depth = 0_usize;
    tokens.iter().position(|token| {
        match token {
            Token::Sign("{") => depth += 1,
            Token::Sign("}") => depth -= 1,
            _ => {}
        }
        depth == 0
    })
}

/// The names that are a driver's table: `MODULE_DEVICE_TABLE(KIND, NAME)`, or a member of a driver set to it. A list that is only
/// looked through (what to leave out, what has a quirk) is none.
fn handed_to_drivers(tokens: &[Token]) -> HashSet<Rc<str>> {
    const MEMBERS: &[&str] = &["id_table", "ids", "acpi_match_table", "of_match_table"];
    let mut handed = HashSet::new();
    for (at, token) in tokens.iter().enumerate() {
        let Token::Word(word) = token else { continue };
        let names = if &**word == "MODULE_DEVICE_TABLE" {
            tokens.get(at + 4..at + 5)
        } else if MEMBERS.contains(&&**word) && tokens.get(at + 1) == Some(&Token::Sign("=")) {
            tokens.get(at + 2..(at + 6).min(tokens.len()))
        } else {
            None
        };
        for name in names.unwrap_or_default() {
            match name {
                Token::Word(name) => drop(handed.insert(name.clone())),
                Token::Sign("," | "}" | ";") => break,
                _ => {}
            }
        }
    }
    handed
}

/// Entry by entry.
fn table(kind: Kind, body: &[Token], macros: &Macros<'_>, claimed: &mut Claimed) {
    let mut at = 0;
    while at < body.len() {
        if body[at] != Token::Sign("{") {
            at += 1;
            continue;
        }
        let Some(length) = closing(&body[at..]) else { return };
        let members = members(kind, &body[at + 1..at + length]);
        at += length + 1;
        if members.is_empty() {
            continue;
        }
        match entry(kind, &members, macros) {
            Some(patterns) => claimed.patterns.extend(patterns),
            None => claimed.not_understood += 1,
        }
    }
}

/// The members of an entry, named or in their order; what follows a named one goes on behind it (C11, 6.7.9).
fn members(kind: Kind, body: &[Token]) -> HashMap<&str, &[Token]> {
    let order = kind.members();
    let mut found = HashMap::new();
    let mut next = 0;
    for value in split(body) {
        match value {
            [Token::Sign("."), Token::Word(name), Token::Sign("="), rest @ ..] => {
                next = order.iter().position(|member| **member == **name).map_or(order.len(), |at| at + 1);
                found.insert(&**name, rest);
            }
            [] => {}
            value => {
                if let Some(name) = order.get(next) {
                    found.insert(*name, value);
                }
                next += 1;
            }
        }
    }
    found
}

/// The parts between commas that no bracket encloses.
fn split(tokens: &[Token]) -> Vec<&[Token]> {
    let (mut depth, mut start, mut parts) = (0_i32, 0, Vec::new());
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign("(" | "{" | "[") => depth += 1,
            Token::Sign(")" | "}" | "]") => depth -= 1,
            Token::Sign(",") if depth == 0 => {
                parts.push(&tokens[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&tokens[start..]);
    parts
}

/// The patterns of an entry; nothing if it cannot be worked out. An entry that ends a table has none.
fn entry(kind: Kind, members: &HashMap<&str, &[Token]>, macros: &Macros<'_>) -> Option<Vec<String>> {
    let text = |name: &str| match members.get(name) {
        Some([Token::Text(text)]) => Some(text.to_string()),
        Some([Token::Sign("{"), Token::Text(text), Token::Sign("}")]) => Some(text.to_string()),
        _ => None,
    };
    let number = |name: &str| match members.get(name) {
        Some(tokens) => macros.number(tokens),
        None => Some(0),
    };
    match kind {
        Kind::Pci => pci(members, &number),
        Kind::Acpi => {
            let ends = members.get("id").is_none_or(|id| matches!(id, [Token::Number(_)]))
                || text("id").as_deref() == Some("");
            match text("id") {
                Some(id) if !id.is_empty() => Some(vec![format!("acpi*:{id}:*")]),
                _ => ends.then(Vec::new),
            }
        }
        Kind::Pnp => match text("id")? {
            id if id.is_empty() => Some(Vec::new()),
            id => Some(vec![format!("pnp:d{id}*"), format!("acpi*:{}:*", id.to_ascii_uppercase())]),
        },
        Kind::Virtio => match number("device")? {
            0 => Some(Vec::new()),
            device => {
                let vendor = number("vendor").filter(|&vendor| vendor as u32 != u32::MAX && vendor != 0);
                let vendor = vendor.map_or("*".to_string(), |vendor| format!("{:08X}*", vendor as u32));
                let device =
                    if device as u32 == u32::MAX { "*".into() } else { format!("{:08X}", device as u32) };
                Some(vec![format!("virtio:d{device}v{vendor}")])
            }
        },
        Kind::Platform => match text("name")? {
            name if name.is_empty() => Some(Vec::new()),
            name => Some(vec![format!("platform:{name}")]),
        },
        Kind::DeviceTree => {
            let Some(compatible) = text("compatible") else {
                return members.get("compatible").is_none().then(Vec::new);
            };
            let compatible = compatible.replace(' ', "_");
            Some(vec![format!("of:N*T*C{compatible}"), format!("of:N*T*C{compatible}C*")])
        }
        Kind::Serio => {
            let part = |name: &str| {
                Some(match number(name)? as u8 {
                    u8::MAX => "*".to_string(),
                    number => format!("{number:02X}"),
                })
            };
            let is_end = members.iter().all(|(_, value)| macros.number(value) == Some(0));
            if is_end {
                return Some(Vec::new());
            }
            let words = [part("type")?, part("proto")?, part("id")?, part("extra")?];
            let [kind, proto, id, extra] = &words;
            let open = if extra == "*" { "" } else { "*" };
            Some(vec![format!("serio:ty{kind}pr{proto}id{id}ex{extra}{open}")])
        }
    }
}

/// `do_pci_entry` of file2alias.c.
fn pci(members: &HashMap<&str, &[Token]>, number: &dyn Fn(&str) -> Option<u64>) -> Option<Vec<String>> {
    let (vendor, device) = (number("vendor")? as u32, number("device")? as u32);
    let (subvendor, subdevice) = (number("subvendor")? as u32, number("subdevice")? as u32);
    let (class, mask) = (number("class")? as u32, number("class_mask")? as u32);
    let ends = [vendor, device, subvendor, subdevice, class, mask].iter().all(|&part| part == 0);
    // For vfio alone: no device finds its driver by it.
    if ends || members.contains_key("override_only") {
        return Some(Vec::new());
    }
    let any = |number: u32| if number == u32::MAX { "*".to_string() } else { format!("{number:08X}") };
    let part = |shift: u32| match mask >> shift & 0xff {
        0xff => Some(format!("{:02X}", class >> shift & 0xff)),
        0 => Some("*".to_string()),
        _ => None,
    };
    let (base, sub, interface) = (part(16)?, part(8)?, part(0)?);
    let end = if interface == "*" { "*" } else { &format!("{interface}*") };
    Some(vec![format!(
        "pci:v{}d{}sv{}sd{}bc{base}sc{sub}i{end}",
        any(vendor),
        any(device),
        any(subvendor),
        any(subdevice)
    )])
}

/// A platform driver without a table of names takes the devices of its own (kernel: `platform_match` of drivers/base/platform.c).
fn platform_names(tokens: &[Token], macros: &Macros<'_>, claimed: &mut Claimed) {
    for at in 0..tokens.len() {
        let [Token::Word(first), Token::Word(second), Token::Word(_), rest @ ..] = &tokens[at..] else {
            continue;
        };
        if (&**first, &**second) != ("struct", "platform_driver") {
            continue;
        }
        let Some(open) = rest.iter().take(8).position(|token| *token == Token::Sign("{")) else { continue };
        let Some(length) = closing(&rest[open..]) else { continue };
        let body = &rest[open + 1..open + length];
        let has_table = body.iter().any(|token| matches!(token, Token::Word(word) if &**word == "id_table"));
        if has_table || rest.get(open.wrapping_sub(1)) != Some(&Token::Sign("=")) {
            continue;
        }
        let name = body.windows(4).find_map(|window| match window {
            [Token::Sign("."), Token::Word(name), Token::Sign("="), value] if &**name == "name" => {
                Some(value)
            }
            _ => None,
        });
        let name = name.map(|value| macros.expand(std::slice::from_ref(value)));
        if let Some([Token::Text(text), ..]) = name.as_deref() {
            claimed.patterns.push(format!("platform:{text}"));
        }
    }
}

/// `MODULE_ALIAS("bus:…")` and what stands for it.
fn aliases(tokens: &[Token], macros: &Macros<'_>, claimed: &mut Claimed) {
    for (at, token) in tokens.iter().enumerate() {
        let Token::Word(word) = token else { continue };
        match (&**word, tokens.get(at + 2)) {
            ("MODULE_ALIAS", Some(Token::Text(text))) if tokens.get(at + 3) == Some(&Token::Sign(")")) => {
                claimed.patterns.extend(text.contains(':').then(|| text.to_string()));
            }
            // include/scsi/scsi_device.h; the types are written there as they are in scsi_proto.h.
            ("MODULE_ALIAS_SCSI_DEVICE", Some(kind)) => {
                let number = macros.number(std::slice::from_ref(kind));
                claimed.patterns.extend(number.map(|number| format!("scsi:t-0x{number:02x}*")));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
