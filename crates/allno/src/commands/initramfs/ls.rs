//! `allno initramfs ls`: every segment and every entry, and which entry of a name counts.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use base::{Error, Result};
use initramfs::newc::{Header, file_type};
use initramfs::{Dropped, ImageReader, ImageSummary, Outcome, Rules, Tree};
use serde_json::{Value, json};

use super::{Out, faults, odd_bytes, problems_object, segment_line, shown, text, unreadable};
use crate::arguments::InitramfsLs;
use crate::commands::{Answer, Context};
use crate::output;
use crate::terminal::{Look, Style};

/// Lists the archive. What could be read is shown although something is wrong with it.
pub fn run(context: &Context, arguments: &InitramfsLs) -> Result<Answer> {
    let archive = &arguments.archive;
    let source = super::source::open(archive, &context.cancel)?;
    let look = Look::of_stdout(context.global.color);
    if !context.global.json && !arguments.long && !look.terminal {
        let summary = names(context, archive, source)?;
        return Ok(ended(faults(archive, &summary)));
    }
    let listing = Listing::read(context, archive, source)?;
    let fault = faults(archive, &listing.summary);
    match (context.global.json, arguments.long) {
        (true, _) => listing.write_json(archive, fault.as_ref())?,
        (false, long) => listing.write_text(long, look)?,
    }
    Ok(ended(fault))
}

fn ended(fault: Option<Error>) -> Answer {
    match fault {
        Some(error) => Answer::default().with_error(error),
        None => Answer::default(),
    }
}

/// Names alone, as they come: nothing of the archive is held.
fn names(context: &Context, archive: &Path, source: Arc<File>) -> Result<ImageSummary> {
    let mut out = Out::new();
    let mut reader = ImageReader::new(source).map_err(|cause| unreadable(archive, cause))?;
    while let Some(entry) = reader.next_entry().map_err(|cause| unreadable(archive, cause))? {
        out.write(entry.name())?;
        out.write(b"\n")?;
        context.cancel.check()?;
        if out.gone() {
            break;
        }
    }
    out.finish()?;
    Ok(reader.into_summary())
}

/// An entry of the archive.
struct Listed {
    segment: usize,
    offset: u64,
    header: Header,
    name: Box<[u8]>,
    target: Box<[u8]>,
    fate: Fate,
}

/// What becomes of an entry.
#[derive(Clone, Copy)]
enum Fate {
    /// It stands in the tree that the kernel makes.
    Stands,
    /// The entry of this number took its name over, or changed what it made.
    Replaced(usize),
    /// The kernel leaves it out.
    Dropped(Dropped),
}

struct Listing {
    entries: Vec<Listed>,
    summary: ImageSummary,
}

impl Listing {
    fn read(context: &Context, archive: &Path, source: Arc<File>) -> Result<Listing> {
        let unreadable = |cause| unreadable(archive, cause);
        let mut tree = Tree::new(Rules::Kernel);
        let mut entries: Vec<Listed> = Vec::new();
        let mut reader = ImageReader::new(source).map_err(unreadable)?;
        while let Some(entry) = reader.next_entry().map_err(unreadable)? {
            context.cancel.check()?;
            let number = entries.len() as u64;
            let applied = tree.apply(&entry.tree_entry(number));
            let fate = match applied.outcome {
                Outcome::Dropped(why) => Fate::Dropped(why),
                _ => Fate::Stands,
            };
            let (segment, offset) = (entry.segment(), entry.offset());
            let (header, name, target) = (entry.header(), entry.name().into(), entry.target().into());
            entries.push(Listed { segment, offset, header, name, target, fate });
            if let Some(replaced) = applied.replaced.and_then(|number| entries.get_mut(number as usize)) {
                replaced.fate = Fate::Replaced(number as usize);
            }
        }
        Ok(Listing { entries, summary: reader.into_summary() })
    }

    fn write_text(&self, long: bool, look: Look) -> Result<()> {
        let mut out = Out::new();
        let widths = Widths::of(&self.entries);
        let mut entries = self.entries.iter().peekable();
        for (number, segment) in self.summary.segments.iter().enumerate() {
            let line = segment_line(number, segment);
            out.write(format!("{}\n", look.paint(Style::Strong, &line)).as_bytes())?;
            while let Some(entry) = entries.next_if(|entry| entry.segment == number) {
                if long {
                    out.write(widths.line(&entry.header).as_bytes())?;
                }
                self.write_name(entry, long, look, &mut out)?;
            }
        }
        out.finish()
    }

    fn write_name(&self, entry: &Listed, long: bool, look: Look, out: &mut Out) -> Result<()> {
        let write = |bytes: &[u8], out: &mut Out| match look.terminal {
            true => out.write(shown(bytes).as_bytes()),
            false => out.write(bytes),
        };
        write(&entry.name, out)?;
        if long && entry.header.file_type() == file_type::SYMLINK {
            out.write(b" -> ")?;
            write(&entry.target, out)?;
        }
        let note = match entry.fate {
            Fate::Stands => String::new(),
            Fate::Replaced(by) => format!("   (replaced in segment {})", self.entries[by].segment + 1),
            Fate::Dropped(why) => format!("   (left out: {})", why.why()),
        };
        out.write(look.paint(Style::Faint, &note).as_bytes())?;
        out.write(b"\n")
    }

    /// docs/json.md, "initramfs ls". Written piece by piece: an archive can have a million entries.
    fn write_json(&self, archive: &Path, fault: Option<&Error>) -> Result<()> {
        let mut out = Out::new();
        let segments: Vec<Value> = self.summary.segments.iter().map(segment_object).collect();
        out.write(format!("{{\"archive\":{},\"segments\":", json!(archive.to_string_lossy())).as_bytes())?;
        out.write(format!("{},\"entries\":[", Value::Array(segments)).as_bytes())?;
        for (at, entry) in self.entries.iter().enumerate() {
            out.write(if at > 0 { b"," } else { b"" })?;
            out.write(entry_object(entry).to_string().as_bytes())?;
        }
        let (problems, left_out) = (problems_object(&self.summary), self.summary.problems_left_out);
        out.write(format!("],\"problems\":{problems},\"problems_left_out\":{left_out}").as_bytes())?;
        if let Some(error) = fault {
            out.write(format!(",\"error\":{}", output::error_fields(error)).as_bytes())?;
        }
        out.write(b"}\n")?;
        out.finish()
    }
}

/// A segment, for programs.
pub(super) fn segment_object(segment: &initramfs::SegmentSummary) -> Value {
    json!({
        "offset": segment.offset,
        "size": segment.size,
        "compression": segment.form.name(),
        "unpacked": segment.unpacked,
        "entries": segment.entries,
        "trailer": segment.trailer,
        "early": segment.early,
    })
}

fn entry_object(entry: &Listed) -> Value {
    let header = &entry.header;
    let kind = header.file_type();
    let node = matches!(kind, file_type::CHARACTER | file_type::BLOCK);
    let target = (kind == file_type::SYMLINK).then_some(&entry.target);
    json!({
        "name": text(&entry.name),
        "name_bytes": odd_bytes(&entry.name),
        "segment": entry.segment,
        "offset": entry.offset,
        "type": type_word(kind),
        "mode": header.mode & 0o7777,
        "uid": header.uid,
        "gid": header.gid,
        "size": header.size,
        "mtime": header.mtime,
        "links": header.link_count,
        "inode": header.inode,
        "device": node.then_some([header.node_major, header.node_minor]),
        "target": target.map(|target| text(target)),
        "target_bytes": target.and_then(|target| odd_bytes(target)),
        "replaced_by": match entry.fate { Fate::Replaced(by) => Some(by), _ => None },
        "left_out": match entry.fate { Fate::Dropped(why) => Some(why.why()), _ => None },
    })
}

/// A kind of file by a word.
pub(super) fn type_word(kind: u32) -> &'static str {
    match kind {
        file_type::REGULAR => "file",
        file_type::DIRECTORY => "directory",
        file_type::SYMLINK => "symlink",
        file_type::CHARACTER => "character",
        file_type::BLOCK => "block",
        file_type::FIFO => "fifo",
        file_type::SOCKET => "socket",
        _ => "unknown",
    }
}

/// How wide the columns of a long listing are.
struct Widths {
    links: usize,
    uid: usize,
    gid: usize,
    size: usize,
}

impl Widths {
    fn of(entries: &[Listed]) -> Widths {
        let widest = |text: &dyn Fn(&Header) -> String| {
            entries.iter().map(|entry| text(&entry.header).len()).max().unwrap_or(0)
        };
        Widths {
            links: widest(&|header| header.link_count.to_string()),
            uid: widest(&|header| header.uid.to_string()),
            gid: widest(&|header| header.gid.to_string()),
            size: widest(&size),
        }
    }

    fn line(&self, header: &Header) -> String {
        let Widths { links, uid, gid, size: wide } = *self;
        format!(
            "{} {:>links$} {:>uid$} {:>gid$} {:>wide$} {} ",
            mode(header.mode),
            header.link_count,
            header.uid,
            header.gid,
            size(header),
            time(header.mtime)
        )
    }
}

/// A size, or a node's numbers.
fn size(header: &Header) -> String {
    match header.file_type() {
        file_type::CHARACTER | file_type::BLOCK => format!("{}, {}", header.node_major, header.node_minor),
        _ => header.size.to_string(),
    }
}

/// A mode as `ls -l` writes it (POSIX, ls).
pub(super) fn mode(mode: u32) -> String {
    let kind = match mode & file_type::MASK {
        file_type::REGULAR => '-',
        file_type::DIRECTORY => 'd',
        file_type::SYMLINK => 'l',
        file_type::CHARACTER => 'c',
        file_type::BLOCK => 'b',
        file_type::FIFO => 'p',
        file_type::SOCKET => 's',
        _ => '?',
    };
    let mut text = String::from(kind);
    for (shift, special, both, alone) in [(6, 0o4000, 's', 'S'), (3, 0o2000, 's', 'S'), (0, 0o1000, 't', 'T')]
    {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (bits & 1 != 0, mode & special != 0) {
            (true, false) => 'x',
            (false, false) => '-',
            (true, true) => both,
            (false, true) => alone,
        });
    }
    text
}

/// A time in UTC, as 2024-04-14 14:18:46.
fn time(seconds: u32) -> String {
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// Year, month and day of a number of days since 1970-01-01, counted in years that begin in March, so that the
/// day of a leap year comes last.
fn date(days: u32) -> (u32, u32, u32) {
    // 1970-01-01 is day 719,468 after 0000-03-01; 400 years have 146,097 days.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u32::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_read_as_those_of_ls() {
        for (bits, text) in [
            (0o100_644, "-rw-r--r--"),
            (0o040_755, "drwxr-xr-x"),
            (0o104_755, "-rwsr-xr-x"),
            (0o102_644, "-rw-r-Sr--"),
            (0o041_777, "drwxrwxrwt"),
            (0o061_000, "b--------T"),
            (0o777, "?rwxrwxrwx"),
        ] {
            assert_eq!(mode(bits), text);
        }
    }

    #[test]
    fn times_are_those_of_date() {
        // date -u -d @N '+%F %T'
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00"),
            (68_169_600, "1972-02-29 00:00:00"),
            (951_782_399, "2000-02-28 23:59:59"),
            (951_868_800, "2000-03-01 00:00:00"),
            (1_713_104_326, "2024-04-14 14:18:46"),
            (u32::MAX, "2106-02-07 06:28:15"),
        ] {
            assert_eq!(time(seconds), text);
        }
    }
}
