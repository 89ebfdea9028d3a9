//! What the build reads of a configuration: include/config and include/generated (kernel: `conf_write_autoconf()` of
//! scripts/kconfig/confdata.c).

use super::Session;
use super::read::{Purpose, Told};
use super::write::{No, quote};
use crate::model::{SymbolId, SymbolType, Tristate};

impl Session<'_, '_> {
    fn autoconf_name(&self) -> String {
        self.variable("KCONFIG_AUTOCONFIG").unwrap_or_else(|| "include/config/auto.conf".into())
    }

    /// Writes auto.conf, autoconf.h, rustc_cfg and what make needs; unless `overwrite`, only if there is no auto.conf. False
    /// if that fails.
    pub(super) fn write_autoconf(&mut self, overwrite: bool) -> bool {
        let name = self.autoconf_name();
        if !overwrite && self.host.exists(&name) {
            return true;
        }
        if !self.write_command(&name) {
            return false;
        }
        let early = self.model.dialect.computes_before_touching();
        if early {
            self.configuration.calculate_all();
        }
        if !self.touch_changed(&name) {
            return false;
        }
        if !early {
            self.configuration.calculate_all();
        }
        self.flush();
        let prefix = self.prefix();
        let variable =
            |this: &Self, name: &str, default: &str| this.variable(name).unwrap_or_else(|| default.into());
        let header = variable(self, "KCONFIG_AUTOHEADER", "include/generated/autoconf.h");
        let mut text = String::new();
        self.configuration.heading("/*", " *", " */", &mut text);
        self.each_line(&mut text, |this, id, text| this.define(id, &prefix, text));
        if !self.write_whole(&header, &text) {
            return false;
        }
        if self.model.dialect.has_rust() {
            let rust = variable(self, "KCONFIG_RUSTCCFG", "include/generated/rustc_cfg");
            let mut text = String::new();
            self.each_line(&mut text, |this, id, text| this.rust_flags(id, &prefix, text));
            if !self.write_whole(&rust, &text) {
                return false;
            }
        }
        let mut text = String::new();
        self.configuration.heading("#", "#", "#", &mut text);
        let quoted = self.model.dialect.quotes_in_auto_conf();
        self.each_line(&mut text, |this, id, text| {
            this.configuration.assignment(id, &prefix, No::Absent, quoted, text);
        });
        self.write_whole(&name, &text)
    }

    fn each_line(&self, text: &mut String, line: impl Fn(&Self, SymbolId, &mut String)) {
        for &id in &self.model.order {
            let symbol = self.model.symbol(id);
            let written = self.configuration.state(id).write && symbol.name.is_some();
            if written {
                line(self, id, text);
            }
        }
    }

    fn write_whole(&mut self, name: &str, text: &str) -> bool {
        let temporary = format!("{name}.tmp");
        self.make_parents(name)
            && self.host.write(&temporary, &crate::text::encode(text)).is_ok()
            && self.host.rename(&temporary, name).is_ok()
    }

    /// auto.conf.cmd: the files and variables the configuration hangs on (`conf_write_autoconf_cmd()`).
    fn write_command(&mut self, autoconf: &str) -> bool {
        let name = format!("{autoconf}.cmd");
        let mut text = String::new();
        let model = self.model;
        if model.dialect.shared_files() {
            text.push_str(&format!("autoconfig := {autoconf}\n\ndeps_config := \\\n"));
            model.files().for_each(|file| text.push_str(&format!("\t{file} \\\n")));
            text.push_str("\n$(autoconfig): $(deps_config)\n$(deps_config): ;\n");
            for (variable, value) in &model.environment {
                text.push_str(&format!(
                    "\nifneq \"$({variable})\" \"{value}\"\n$(autoconfig): FORCE\nendif\n"
                ));
            }
        } else {
            text.push_str("deps_config := \\\n");
            let files: Vec<&str> = model.files().collect();
            files.iter().rev().for_each(|file| text.push_str(&format!("\t{file} \\\n")));
            text.push_str(&format!("\n{autoconf}: $(deps_config)\n\n"));
            for (variable, value) in &model.environment {
                text.push_str(&format!("ifneq \"$({variable})\" \"{value}\"\n{autoconf}: FORCE\nendif\n"));
            }
            text.push_str("\n$(deps_config): ;\n");
        }
        self.make_parents(&name)
            && self.host.write(&format!("{name}.tmp"), &crate::text::encode(&text)).is_ok()
            && self.host.rename(&format!("{name}.tmp"), &name).is_ok()
    }

    /// Touches include/config/NAME for every symbol that differs from the last build (`conf_touch_deps()`).
    fn touch_changed(&mut self, autoconf: &str) -> bool {
        let before = match crate::parser::read_below_srctree(self.host, autoconf) {
            Some(bytes) => self.read_lines(autoconf, &bytes, Purpose::Auto),
            None => vec![Told::default(); self.model.symbols.len()],
        };
        if !self.model.dialect.computes_before_touching() {
            self.configuration.calculate(self.model.modules);
        }
        for &id in &self.model.order {
            let symbol = self.model.symbol(id);
            if !self.model.dialect.computes_before_touching() {
                self.configuration.calculate(id);
            }
            if symbol.is_choice {
                continue;
            }
            if self.differs(id, &before[id.index()]) && !self.touch_dependency(self.model.name(id)) {
                return false;
            }
        }
        true
    }

    fn differs(&self, id: SymbolId, before: &Told) -> bool {
        let state = self.configuration.state(id);
        let kind = self.model.symbol(id).kind;
        match (state.write, before.is_told) {
            (true, true) if kind.is_logical() => state.logical != before.logical,
            (true, true) if kind == SymbolType::Unknown => true,
            (true, true) => Some(self.configuration.current(id)) != before.text.as_deref(),
            // Without a line before, n is no change.
            (true, false) => !kind.is_logical() || state.logical != Tristate::No,
            (false, told) => told,
        }
    }

    /// `conf_touch_dep()`
    pub(super) fn touch_dependency(&mut self, name: &str) -> bool {
        let autoconf = self.autoconf_name();
        let folder = autoconf.rfind('/').map_or("", |end| &autoconf[..=end]);
        // The C tool's buffer: PATH_MAX with the NUL.
        let path = format!("{folder}{name}");
        path.len() < 4096 && self.host.write(&path, b"").is_ok()
    }

    /// `print_symbol_for_c()`
    fn define(&self, id: SymbolId, prefix: &str, text: &mut String) {
        let value = self.configuration.current(id);
        let name = self.model.name(id);
        let (suffix, value) = match self.model.symbol(id).kind {
            SymbolType::Unknown => return,
            SymbolType::Boolean | SymbolType::Tristate => match value {
                "n" => return,
                "m" => ("_MODULE", "1".into()),
                _ => ("", "1".into()),
            },
            SymbolType::Hex => ("", with_prefix(value)),
            SymbolType::String => ("", quote(value)),
            SymbolType::Int => ("", value.to_string()),
        };
        text.push_str(&format!("#define {prefix}{name}{suffix} {value}\n"));
    }

    /// `print_symbol_for_rustccfg()`
    fn rust_flags(&self, id: SymbolId, prefix: &str, text: &mut String) {
        let value = self.configuration.current(id);
        let name = self.model.name(id);
        let kind = self.model.symbol(id).kind;
        let value = match kind {
            SymbolType::Unknown => return,
            SymbolType::Boolean | SymbolType::Tristate if value == "n" => return,
            SymbolType::Hex => with_prefix(value),
            _ => value.to_string(),
        };
        if kind.is_logical() {
            text.push_str(&format!("--cfg={prefix}{name}\n"));
        }
        text.push_str(&format!("--cfg={prefix}{name}={}\n", quote(&value)));
    }
}

fn with_prefix(hexadecimal: &str) -> String {
    match hexadecimal.starts_with("0x") || hexadecimal.starts_with("0X") {
        true => hexadecimal.into(),
        false => format!("0x{hexadecimal}"),
    }
}
