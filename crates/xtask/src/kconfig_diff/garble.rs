//! A `.config` with mistakes in it, the same ones for the same seed.

/// SplitMix64: the next number of a sequence.
pub fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Lines that no `conf` writes.
const STRANGE: &[&[u8]] = &[
    b"garbage",
    b"CONFIG_",
    b"CONFIG_=y",
    b"CONFIG_NO_SUCH_SYMBOL=y",
    b"# CONFIG_NO_SUCH_SYMBOL is not set",
    b"CONFIG_MODULES",
    b"CONFIG_MODULES=",
    b"CONFIG_SMP=maybe",
    b"# CONFIG_SMP is not set at all",
    b"#CONFIG_SMP is not set",
    b" CONFIG_SMP=y",
    b"CONFIG_LOCALVERSION=unquoted",
    b"CONFIG_LOCALVERSION=\"no end",
    b"CONFIG_LOCALVERSION=\"a \\\"b\\\" \\\\c\" and more",
    b"CONFIG_LOG_BUF_SHIFT=0x11",
    b"CONFIG_LOG_BUF_SHIFT=99999999999999999999",
    b"CONFIG_NR_CPUS=-1",
    b"CONFIG_PHYSICAL_START=zz",
    b"CONFIG_EXPERT=y ",
    b"CONFIG_MODULES=m",
    b"CONFIG_NET=y\r",
    b"\tCONFIG_NET=n",
    b"=y",
    b"CONFIG_\xff\xfe=y",
    b"",
];

/// Drops, repeats and changes lines of `config` and puts strange ones between them.
pub fn garble(config: &[u8], seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut garbled = Vec::with_capacity(config.len());
    for line in config.split(|byte| *byte == b'\n') {
        let choice = next(&mut state) % 100;
        match choice {
            0..20 => {}
            20..35 => garbled.extend_from_slice(&changed(line, next(&mut state))),
            35..37 => {
                garbled.extend_from_slice(line);
                garbled.push(b'\n');
                garbled.extend_from_slice(&changed(line, next(&mut state)));
            }
            37..38 => garbled.extend_from_slice(&line[..line.len() / 2]),
            38..40 => {
                garbled.extend_from_slice(STRANGE[next(&mut state) as usize % STRANGE.len()]);
                garbled.push(b'\n');
                garbled.extend_from_slice(line);
            }
            _ => garbled.extend_from_slice(line),
        }
        if choice >= 20 {
            garbled.push(b'\n');
        }
    }
    // The last line without its newline, as an editor may leave it.
    if seed.is_multiple_of(2) {
        garbled.extend_from_slice(b"CONFIG_EXPERT=y");
    }
    garbled
}

/// The same symbol with another value.
fn changed(line: &[u8], number: u64) -> Vec<u8> {
    const VALUES: &[&[u8]] = &[b"y", b"m", b"n", b"y", b"1", b"0x10", b"\"text\"", b""];
    let value = VALUES[number as usize % VALUES.len()];
    let name = match line.iter().position(|byte| *byte == b'=') {
        Some(at) => &line[..at],
        None => match line.strip_prefix(b"# ").and_then(|rest| rest.strip_suffix(b" is not set")) {
            Some(name) => name,
            None => return line.to_vec(),
        },
    };
    if number.is_multiple_of(3) {
        [b"# ", name, b" is not set"].concat()
    } else {
        [name, b"=", value].concat()
    }
}

/// Answers to the questions of `oldaskconfig`, one a line.
pub fn answers(seed: u64) -> Vec<u8> {
    const ANSWERS: &[&str] =
        &["", "", "", "y", "n", "m", "1", "2", "?", "yes", "no", "x", " y ", "0", "16", "2?"];
    let mut state = seed;
    let lines = (0..4000).map(|_| ANSWERS[next(&mut state) as usize % ANSWERS.len()]);
    lines.flat_map(|answer| [answer.as_bytes(), b"\n"].concat()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_mistakes_and_another_one_others() {
        let config: Vec<u8> = (0..200).flat_map(|at| format!("CONFIG_A{at}=y\n").into_bytes()).collect();
        assert_eq!(garble(&config, 1), garble(&config, 1));
        assert_ne!(garble(&config, 1), garble(&config, 2));
        assert_ne!(garble(&config, 1), config);
        assert_ne!(answers(1), answers(2));
    }

    #[test]
    fn a_changed_line_keeps_its_symbol() {
        assert_eq!(changed(b"# CONFIG_A is not set", 4), b"CONFIG_A=1");
        assert_eq!(changed(b"CONFIG_A=\"x=y\"", 3), b"# CONFIG_A is not set");
        assert_eq!(changed(b"# a comment", 1), b"# a comment");
    }
}
