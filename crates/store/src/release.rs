//! What a mirror of a Debian-like distribution has now: each suite's signed index (`dists/SUITE/InRelease`), whose hash stands for
//! the version of every package in it. It pins a user space as a tarball's hash pins a source. That the signature is right, apt
//! sees to when it takes packages by it.

use std::fs;

use base::{Cancel, Context, Error, Events, Result};

use crate::apt;
use crate::hash::Sha256;
use crate::http::{Limits, Partial, Request, Trouble, download};
use crate::root::Store;

/// An index has some hundred kilobytes.
const LARGEST: u64 = 8 << 20;

/// A mirror of a distribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveMirror {
    /// What `dists/` and `pool/` stand below, with a slash at its end.
    pub root: String,
    /// apt's proxy for it, if it has one.
    pub proxy: Option<String>,
    /// Whether it is the one of security updates alone.
    pub security: bool,
}

/// A suite as a mirror has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The hash of its index.
    pub sha256: Sha256,
    /// When it was made, as it says: "Sat, 10 May 2025 09:39:55 UTC".
    pub date: String,
}

/// The Debian mirrors that this machine's apt is set up with, the archive before the security archive.
///
/// # Errors
/// [`base::Kind::Cancelled`]; apt does not answer.
pub fn archive_mirrors(cancel: &Cancel) -> Result<Vec<ArchiveMirror>> {
    let mirrors = apt::mirrors(cancel)?.into_iter();
    Ok(mirrors.map(|it| ArchiveMirror { security: it.security, root: it.root, proxy: it.proxy }).collect())
}

/// The mirror at `root`, with apt's proxy for it.
///
/// # Errors
/// [`base::Kind::Input`]: it is no HTTP address.
pub fn archive_mirror(root: &str, cancel: &Cancel) -> Result<ArchiveMirror> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"'\"\\[]".contains(&byte);
    let host = root.strip_prefix("http://").or_else(|| root.strip_prefix("https://"));
    if host.is_none_or(|host| host.is_empty() || host.starts_with('/')) || !root.bytes().all(plain) {
        return Err(Error::input(format!("\"{root}\" is not a mirror's address"))
            .note("expected http://HOST/PATH or https://HOST/PATH, below which dists/ and pool/ stand"));
    }
    let root = format!("{}/", root.trim_end_matches('/'));
    Ok(ArchiveMirror { proxy: apt::proxy(&root, cancel)?, security: false, root })
}

impl Store {
    /// Asks `mirror` for the index of `suite`.
    ///
    /// # Errors
    /// [`base::Kind::Host`] when it cannot be reached, refuses, or has no such suite; [`base::Kind::Cancelled`].
    pub fn release(
        &self,
        mirror: &ArchiveMirror,
        suite: &str,
        limits: Limits,
        events: &Events,
        cancel: &Cancel,
    ) -> Result<Release> {
        let url = format!("{}dists/{suite}/InRelease", mirror.root);
        let spot = self.scratch().path();
        let partial = Partial::at(spot.0.clone())?;
        let request = Request {
            url: &url,
            https_only: false,
            proxy: mirror.proxy.as_deref(),
            length: None,
            checked: false,
            limits,
        };
        let task = events.task("asking", format!("the mirror for {suite}"));
        let refused = |why: String| {
            Error::host(format!("the mirror does not give the index of {suite}"))
                .note(format!("{url}: {why}"))
        };
        match download(&request, &partial, &task, cancel) {
            Ok(_) => {}
            Err(Trouble::Ours(error)) => return Err(error),
            Err(
                Trouble::Unreachable(why)
                | Trouble::Refused(why)
                | Trouble::Broken(why)
                | Trouble::WrongHash(why),
            ) => {
                return Err(refused(why));
            }
        }
        if partial.length() > LARGEST {
            return Err(refused(format!("it is larger than {} MiB", LARGEST >> 20)));
        }
        let bytes = fs::read(partial.data()).context(|| "cannot read what was downloaded".into())?;
        let date =
            date_of(&bytes).ok_or_else(|| refused("it is no index of a suite: it has no date".into()))?;
        Ok(Release { sha256: Sha256::of(&bytes), date })
    }
}

fn date_of(index: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(index).ok()?;
    let date = text.lines().find_map(|line| line.strip_prefix("Date: "))?.trim();
    seconds(date).map(|_| date.to_string())
}

/// Seconds since 1970 of a date as an index has it, "Sat, 10 May 2025 09:39:55 UTC" (RFC 2822 with the zone UTC, which the format of
/// repositories demands; wiki.debian.org/DebianRepository/Format, "Date").
pub fn seconds(date: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = date.split_whitespace().collect();
    let [_, day, month, year, time, zone] = words[..] else { return None };
    let month = MONTHS.iter().position(|it| *it == month)? as u64 + 1;
    let (day, year): (u64, u64) = (day.parse().ok()?, year.parse().ok()?);
    let mut clock = time.split(':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let sound =
        (1970..=9999).contains(&year) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 61;
    if !sound || !["UTC", "GMT", "+0000"].contains(&zone) {
        return None;
    }
    // Days before the month, counted from a year that begins in March, so that the leap day is its last (H. Hinnant, "days_from_civil").
    let (shifted, years) = if month > 2 { (month - 3, year) } else { (month + 9, year - 1) };
    let days = 365 * years + years / 4 - years / 100 + years / 400 + (153 * shifted + 2) / 5 + day - 1;
    /// 1970-01-01 counted so.
    const EPOCH: u64 = 719_468;
    Some((days - EPOCH) * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_seconds() {
        // Checked against date -u +%s -d.
        for (date, expected) in [
            ("Thu, 01 Jan 1970 00:00:00 UTC", Some(0)),
            ("Sat, 10 May 2025 09:39:55 UTC", Some(1_746_869_995)),
            ("Thu, 29 Feb 2024 23:59:59 +0000", Some(1_709_251_199)),
            ("Sun, 22 Nov 2026 14:03:09 GMT", Some(1_795_356_189)),
            ("Sat, 10 May 2025 09:39:55 CEST", None),
            ("Sat, 10 Mai 2025 09:39:55 UTC", None),
            ("Sat, 10 May 20255555555555 09:39:55 UTC", None),
            ("10 May 2025", None),
            ("", None),
        ] {
            assert_eq!(seconds(date), expected, "{date}");
        }
    }

    #[test]
    fn a_mirror_is_an_address() {
        let cancel = Cancel::new();
        assert_eq!(
            archive_mirror("http://m.example/debian", &cancel).unwrap().root,
            "http://m.example/debian/"
        );
        for wrong in ["", "m.example", "file:///srv", "http://", "http:///x", "http://a b/", "http://a/'; rm"]
        {
            assert_eq!(archive_mirror(wrong, &cancel).unwrap_err().kind(), base::Kind::Input, "{wrong}");
        }
    }

    #[test]
    fn a_mirror_that_refuses_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        // Nobody listens on the port of tcpmux (RFC 1078).
        let root = "http://127.0.0.1:1/debian/".to_string();
        let mirror = ArchiveMirror { root, proxy: None, security: false };
        let events = Events::silent();
        let error =
            store.release(&mirror, "bookworm", Limits::default(), &events, &Cancel::new()).unwrap_err();
        assert_eq!(error.kind(), base::Kind::Host);
        assert!(error.notes()[0].contains("dists/bookworm/InRelease"), "{error}");
    }
}
