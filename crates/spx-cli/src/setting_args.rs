//! Options of a command, made from the settings that a pipeline declares.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use clap::builder::ValueParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};
use spx_pipeline::measuring::MeasuringCommand;
use spx_pipeline::settings::{
    Configuration, SettingDeclaration, SettingKind, SettingLimits, TakenSettings, check_setting, resolve,
    settings_of,
};
use toml::{Table, Value};

use crate::exit::Failure;
use crate::global::Global;
use crate::ui;

/// The option `--config` and one for each setting of a configuration, with its variable of the
/// environment.
#[derive(Debug, Clone)]
pub(crate) struct SettingArgs<C> {
    /// The file that `--config` names.
    pub(crate) file: Option<PathBuf>,
    /// What the command line and the environment set.
    given: Table,
    /// Keys that the command line itself sets.
    typed: Vec<String>,
    configuration: PhantomData<fn() -> C>,
}

impl<C: Configuration> SettingArgs<C> {
    /// File, environment and command line merged, defaults filled in.
    pub(crate) fn resolve(&self) -> Result<C, Failure> {
        self.resolve_over(self.file.as_deref())
    }

    /// As [`resolve`](Self::resolve) for one of the commands that measure sources, whose file may
    /// be a configuration of another of them.
    pub(crate) fn resolve_measuring(&self, command: MeasuringCommand, global: &Global) -> Result<C, Failure> {
        let file = self.file.as_deref();
        let (resolved, taken) = command.resolve(file, self.given.clone()).map_err(Failure::usage)?;
        if let (Some(file), Some(TakenSettings { command: of, passed_over })) = (file, taken) {
            let text = format!(
                "{} is a configuration of `spx {of}`: settings that both commands have are used",
                file.display()
            );
            ui::note(global.verbosity(), &text);
            ui::detail(global.verbosity(), &format!("passed over: {}", passed_over.join(", ")));
        }
        Ok(resolved)
    }

    /// The option of a setting that stands on the command line.
    pub(crate) fn typed(&self, key: &str) -> Option<String> {
        self.typed.iter().find(|typed| *typed == key).map(|typed| typed.replace('_', "-"))
    }

    /// As [`resolve`](Self::resolve), over another file than that of `--config`.
    pub(crate) fn resolve_over(&self, file: Option<&Path>) -> Result<C, Failure> {
        resolve(file, self.given.clone()).map_err(Failure::usage)
    }
}

impl<C: Configuration + 'static> Args for SettingArgs<C> {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .env("SPX_CONFIG")
            .value_parser(value_parser!(PathBuf))
            .help("Read settings from a TOML file; the environment and the command line override it");
        command.arg(config).args(settings_of::<C>().iter().flat_map(options::<C>))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<C: Configuration> FromArgMatches for SettingArgs<C> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let settings = settings_of::<C>();
        let is_typed = |setting: &&SettingDeclaration| {
            matches.value_source(&setting.key) == Some(ValueSource::CommandLine)
                || setting.kind == SettingKind::Boolean && matches.get_flag(&negative(setting))
        };
        let typed = settings.iter().filter(is_typed).map(|setting| setting.key.clone()).collect();
        let values = settings.into_iter().filter_map(|setting| Some((value(&setting, matches)?, setting)));
        Ok(Self {
            typed,
            file: matches.get_one::<PathBuf>("config").cloned(),
            given: values.map(|(value, setting)| (setting.key, value)).collect(),
            configuration: PhantomData,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// What was given for a setting, `None` where nothing was.
fn value(setting: &SettingDeclaration, matches: &ArgMatches) -> Option<Value> {
    let SettingDeclaration { key, kind, .. } = setting;
    if *kind == SettingKind::Boolean {
        // Of the two options the last one counts; the environment is below both.
        let last = |id: &str| {
            let is_typed = matches.value_source(id) == Some(ValueSource::CommandLine);
            if is_typed { matches.indices_of(id)?.next_back() } else { None }
        };
        if last(&negative(setting)) > last(key) {
            return Some(Value::Boolean(false));
        }
    }
    match matches.value_source(key)? {
        ValueSource::CommandLine | ValueSource::EnvVariable => {}
        _ => return None,
    }
    let mut values = matches.get_many::<Value>(key)?.cloned();
    match kind {
        SettingKind::List(_) => Some(Value::Array(values.flat_map(items).collect())),
        _ => values.next(),
    }
}

/// Several occurrences of a list make one list.
fn items(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        item => vec![item],
    }
}

/// The option of a setting, and for a switch its opposite.
fn options<C: Configuration + 'static>(setting: &SettingDeclaration) -> Vec<Arg> {
    let numbers =
        matches!(item_kind(&setting.kind), SettingKind::Integer | SettingKind::Number | SettingKind::Free);
    let mut option = Arg::new(setting.key.clone())
        .long(setting.option())
        .value_name(setting.value_name.clone())
        .env(setting.environment())
        .value_parser(parser::<C>(setting))
        .allow_negative_numbers(numbers)
        .allow_hyphen_values(setting.hyphen)
        .help_heading(setting.heading.clone())
        .help(setting.help())
        .aliases(setting.aliases.clone());
    if let Some(letter) = setting.short {
        option = option.short(letter);
    }
    match &setting.kind {
        SettingKind::Boolean => {
            let option = option.num_args(0..=1).require_equals(true).default_missing_value("true");
            let opposite = Arg::new(negative(setting))
                .long(format!("no-{}", setting.option()))
                .action(ArgAction::SetTrue)
                .hide(setting.default != Some(Value::Boolean(true)))
                .help_heading(setting.heading.clone())
                .help(format!("The opposite of --{}", setting.option()));
            vec![option, opposite]
        }
        SettingKind::List(item) if item.is_path() => vec![option.num_args(1..).action(ArgAction::Append)],
        SettingKind::List(_) => vec![option.action(ArgAction::Append)],
        _ => vec![option],
    }
}

fn negative(setting: &SettingDeclaration) -> String {
    format!("no_{}", setting.key)
}

fn item_kind(kind: &SettingKind) -> &SettingKind {
    match kind {
        SettingKind::List(item) => item_kind(item),
        other => other,
    }
}

/// Reads a value and tries whether the configuration takes it. Of paths each is a value of its own,
/// for commas may stand in them.
fn parser<C: Configuration + 'static>(setting: &SettingDeclaration) -> ValueParser {
    let setting = setting.clone();
    let paths = matches!(&setting.kind, SettingKind::List(item) if item.is_path());
    ValueParser::from(move |text: &str| -> Result<Value, String> {
        let value = if paths { Value::Array(vec![text.into()]) } else { setting.parse(text)? };
        check_setting::<C>(&setting.key, &value)?;
        Ok(value)
    })
}

/// Reads a number within limits, for options that are no settings.
pub(crate) fn number(limits: SettingLimits) -> ValueParser {
    ValueParser::from(move |text: &str| limits.parse(text))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(default)]
    struct TestConfig {
        /// A number [px]
        #[schemars(range(min = -5, max = 5), extend("x-value" = "PX"))]
        spx_test_size: f64,
        /// A switch
        spx_test_on: bool,
        /// Numbers
        spx_test_edges: Option<Vec<f64>>,
        /// Angle [deg]
        #[schemars(extend("x-angle" = "dec"))]
        spx_test_dec: Option<f64>,
        /// Files
        #[schemars(extend("x-value" = "PATH"))]
        spx_test_input: Option<Vec<PathBuf>>,
    }

    impl Default for TestConfig {
        fn default() -> Self {
            Self {
                spx_test_size: 2.5,
                spx_test_on: true,
                spx_test_edges: None,
                spx_test_dec: None,
                spx_test_input: None,
            }
        }
    }

    #[derive(Debug, Parser)]
    struct TestCommand {
        #[command(flatten)]
        settings: SettingArgs<TestConfig>,
    }

    fn read(line: &str) -> Result<TestConfig, String> {
        let words = std::iter::once("test").chain(line.split_whitespace());
        let command = TestCommand::try_parse_from(words).map_err(|error| error.to_string())?;
        command.settings.resolve().map_err(|error| error.to_string())
    }

    #[test]
    fn options_become_settings() {
        assert_eq!(read("").unwrap(), TestConfig::default());
        let config = read(
            "--spx-test-size -1.5 --spx-test-edges 1,2.5 --spx-test-edges 3 --no-spx-test-on --spx-test-input a,1 b",
        );
        let expected = TestConfig {
            spx_test_size: -1.5,
            spx_test_on: false,
            spx_test_edges: Some(vec![1.0, 2.5, 3.0]),
            spx_test_dec: None,
            spx_test_input: Some(vec!["a,1".into(), "b".into()]),
        };
        assert_eq!(config.unwrap(), expected);
        assert!(read("--no-spx-test-on --spx-test-on").unwrap().spx_test_on, "the last one counts");
        assert!(!read("--spx-test-on --no-spx-test-on").unwrap().spx_test_on);
        assert!(!read("--spx-test-on=false").unwrap().spx_test_on);
    }

    #[test]
    fn angles_may_begin_with_a_sign() {
        for text in ["-0.5", "-00:30:00", "-0d30m", "-0°30'"] {
            assert_eq!(read(&format!("--spx-test-dec {text}")).unwrap().spx_test_dec, Some(-0.5), "{text}");
        }
        let error = read("--spx-test-dec -inf").unwrap_err();
        assert!(error.contains("--spx-test-dec") && error.contains("is not a declination"), "{error}");
    }

    #[test]
    fn wrong_values_name_the_option() {
        for (line, words) in [
            ("--spx-test-size 7", ["--spx-test-size", "from -5 to 5"]),
            ("--spx-test-size nan", ["--spx-test-size", "finite"]),
            ("--spx-test-edges 1,x", ["--spx-test-edges", "expected a number"]),
            ("--spx-test-on=maybe", ["--spx-test-on", "true or false"]),
        ] {
            let error = read(line).unwrap_err();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
    }

    #[test]
    fn help_tells_unit_limits_and_default() {
        use clap::CommandFactory as _;
        let help = TestCommand::command().render_long_help().to_string().replace('\n', " ");
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(help.contains("--spx-test-size <PX> A number [px] [from -5 to 5] [default: 2.5]"), "{help}");
        assert!(help.contains("SPX_SPX_TEST_SIZE"), "{help}");
    }
}
