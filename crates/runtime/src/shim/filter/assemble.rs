//! The filter's instructions. A program can only jump forwards; conditional jumps reach 255 instructions, others any.

use std::collections::BTreeMap;

use oci_spec::runtime::{LinuxSeccompArg, LinuxSeccompOperator};

use super::machine::{Machine, X32_BIT};
use super::{FilterError, Treatment};

const LOAD: u16 = 0x20;
const JUMP: u16 = 0x05;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_GREATER: u16 = 0x25;
const JUMP_GREATER_OR_EQUAL: u16 = 0x35;
const AND: u16 = 0x54;
const RETURN: u16 = 0x06;

/// Where `struct seccomp_data` has what.
const NUMBER: u32 = 0;
const TOKEN: u32 = 4;
const ARGUMENTS: u32 = 16;

/// What is done with calls of a machine that the policy does not name: `SECCOMP_RET_KILL_THREAD`, as libseccomp.
const OTHER_MACHINE: u32 = 0;

fn instruction(operation: u16, yes: u8, no: u8, value: u32) -> u64 {
    let [a, b] = operation.to_ne_bytes();
    let [c, d, e, f] = value.to_ne_bytes();
    u64::from_ne_bytes([a, b, yes, no, c, d, e, f])
}

fn load(place: u32) -> u64 {
    instruction(LOAD, 0, 0, place)
}

fn result(value: u32) -> u64 {
    instruction(RETURN, 0, 0, value)
}

fn over(instructions: usize) -> Result<u32, FilterError> {
    u32::try_from(instructions).map_err(|_| FilterError::TooLarge)
}

/// What is the same for numbers from `first` on, up to the next.
struct Range<'a> {
    first: u32,
    treatment: Option<&'a Treatment>,
}

/// Assembles a filter's parts for calls of one machine.
pub(super) struct Code {
    /// What the policy does with calls that it doesn't name.
    pub default: u32,
    /// What is done with calls beyond the last that it names, if something else.
    pub beyond: Option<u32>,
    /// Only the lower half of each argument counts.
    pub narrow: bool,
}

impl Code {
    /// A search for the call's number, which must be loaded, that ends in a result.
    pub fn search(&self, calls: &BTreeMap<u32, Treatment>) -> Result<Vec<u64>, FilterError> {
        let default = self.default;
        let beyond = self.beyond.filter(|_| !calls.is_empty());
        let beyond = beyond.map(|value| Treatment {
            always: Some(value),
            ..Treatment::default()
        });
        let mut ranges: Vec<Range<'_>> = vec![Range {
            first: 0,
            treatment: None,
        }];
        let same = |a: Option<&Treatment>, b: Option<&Treatment>| {
            let plain = |treatment: Option<&Treatment>| match treatment {
                None => Some(default),
                Some(treatment) if treatment.conditional.is_empty() => {
                    Some(treatment.always.unwrap_or(default))
                }
                Some(_) => None,
            };
            plain(a).is_some() && plain(a) == plain(b)
        };
        let mut add = |first: u32, treatment| match ranges.last_mut() {
            Some(last) if same(last.treatment, treatment) => {}
            Some(last) if last.first == first => last.treatment = treatment,
            _ => ranges.push(Range { first, treatment }),
        };
        let mut next = 0;
        for (number, treatment) in calls {
            if *number != next {
                add(next, None);
            }
            add(*number, Some(treatment));
            next = number.saturating_add(1);
        }
        add(next, beyond.as_ref());
        self.tree(&ranges)
    }

    fn tree(&self, ranges: &[Range<'_>]) -> Result<Vec<u64>, FilterError> {
        let (low, high) = ranges.split_at(ranges.len() / 2);
        match (low, high) {
            ([], [one]) => self.leaf(one.treatment),
            (_, [first, ..]) => {
                let (below, above) = (self.tree(low)?, self.tree(high)?);
                let mut code = match u8::try_from(below.len()) {
                    Ok(length) => vec![instruction(JUMP_GREATER_OR_EQUAL, length, 0, first.first)],
                    Err(_) => vec![
                        instruction(JUMP_GREATER_OR_EQUAL, 0, 1, first.first),
                        instruction(JUMP, 0, 0, over(below.len())?),
                    ],
                };
                code.extend(below);
                code.extend(above);
                Ok(code)
            }
            _ => Ok(vec![result(self.default)]),
        }
    }

    fn leaf(&self, treatment: Option<&Treatment>) -> Result<Vec<u64>, FilterError> {
        let mut code = Vec::new();
        for (conditions, value) in treatment
            .iter()
            .flat_map(|treatment| &treatment.conditional)
        {
            code.extend(self.rule(conditions, *value)?);
        }
        code.push(result(
            treatment
                .and_then(|treatment| treatment.always)
                .unwrap_or(self.default),
        ));
        Ok(code)
    }

    /// Ends with the value where all conditions are met, else goes on behind.
    fn rule(&self, conditions: &[LinuxSeccompArg], value: u32) -> Result<Vec<u64>, FilterError> {
        let mut code = vec![result(value)];
        // From the last to the first: each knows how far the end is.
        for condition in conditions.iter().rev() {
            let fail = u8::try_from(code.len()).map_err(|_| FilterError::TooLarge)?;
            let mut whole = self.compare(condition, fail)?;
            whole.extend(code);
            code = whole;
        }
        Ok(code)
    }

    /// Goes on where the condition is met, else skips what follows and `fail` more.
    fn compare(&self, condition: &LinuxSeccompArg, fail: u8) -> Result<Vec<u64>, FilterError> {
        let index = u32::try_from(condition.index())
            .map_err(|_| FilterError::Argument(condition.index()))?;
        let place = ARGUMENTS + 8 * index;
        let (low, high) = if cfg!(target_endian = "little") {
            (place, place + 4)
        } else {
            (place + 4, place)
        };
        if self.narrow {
            return Ok(narrow(condition, low, fail));
        }
        let halves = |value: u64| ((value & 0xffff_ffff) as u32, (value >> 32) as u32);
        let (value_low, value_high) = halves(condition.value());
        let far = |more: u8| fail.checked_add(more).ok_or(FilterError::TooLarge);
        Ok(match condition.op() {
            LinuxSeccompOperator::ScmpCmpEq => vec![
                load(high),
                instruction(JUMP_EQUAL, 0, far(2)?, value_high),
                load(low),
                instruction(JUMP_EQUAL, 0, fail, value_low),
            ],
            LinuxSeccompOperator::ScmpCmpNe => vec![
                load(high),
                instruction(JUMP_EQUAL, 0, 2, value_high),
                load(low),
                instruction(JUMP_EQUAL, fail, 0, value_low),
            ],
            LinuxSeccompOperator::ScmpCmpMaskedEq => {
                let (wanted_low, wanted_high) =
                    halves(condition.value_two().unwrap_or(0) & condition.value());
                vec![
                    load(high),
                    instruction(AND, 0, 0, value_high),
                    instruction(JUMP_EQUAL, 0, far(3)?, wanted_high),
                    load(low),
                    instruction(AND, 0, 0, value_low),
                    instruction(JUMP_EQUAL, 0, fail, wanted_low),
                ]
            }
            LinuxSeccompOperator::ScmpCmpGt
            | LinuxSeccompOperator::ScmpCmpGe
            | LinuxSeccompOperator::ScmpCmpLe
            | LinuxSeccompOperator::ScmpCmpLt => {
                let (jump, met) = order(condition.op());
                // Where the upper halves differ, they decide.
                let (greater, equal) = match met {
                    Met::Taken => (3, (0, far(2)?)),
                    Met::Passed => (far(3)?, (0, 2)),
                };
                let (yes, no) = met.ways(fail);
                vec![
                    load(high),
                    instruction(JUMP_GREATER, greater, 0, value_high),
                    instruction(JUMP_EQUAL, equal.0, equal.1, value_high),
                    load(low),
                    instruction(jump, yes, no, value_low),
                ]
            }
        })
    }
}

/// Everything: the machine first, then its search.
pub(super) fn finish(blocks: &[(Machine, Vec<u64>)]) -> Vec<u64> {
    let find = |wanted: Machine| {
        blocks
            .iter()
            .find(|(machine, _)| *machine == wanted)
            .map(|(_, block)| block)
    };
    let mut program = vec![load(TOKEN)];
    let mut done = Vec::new();
    for (machine, _) in blocks {
        let token = machine.token();
        if done.contains(&token) {
            continue;
        }
        done.push(token);
        let mut body = vec![load(NUMBER)];
        if matches!(machine, Machine::X86_64 | Machine::X32) {
            let other = vec![result(OTHER_MACHINE)];
            let plain = find(Machine::X86_64).unwrap_or(&other);
            let marked = find(Machine::X32).unwrap_or(&other);
            body.extend([
                instruction(JUMP_GREATER_OR_EQUAL, 0, 1, X32_BIT),
                instruction(JUMP, 0, 0, u32::try_from(plain.len()).unwrap_or(u32::MAX)),
            ]);
            body.extend(plain);
            body.extend(marked);
        } else if let Some(block) = find(*machine) {
            body.extend(block);
        }
        program.push(instruction(JUMP_EQUAL, 1, 0, token));
        program.push(instruction(
            JUMP,
            0,
            0,
            u32::try_from(body.len()).unwrap_or(u32::MAX),
        ));
        program.extend(body);
    }
    program.push(result(OTHER_MACHINE));
    program
}

/// The same for machines whose arguments have 32 bits.
fn narrow(condition: &LinuxSeccompArg, place: u32, fail: u8) -> Vec<u64> {
    let half = |value: u64| (value & 0xffff_ffff) as u32;
    let value = half(condition.value());
    let mut code = vec![load(place)];
    match condition.op() {
        LinuxSeccompOperator::ScmpCmpEq => code.push(instruction(JUMP_EQUAL, 0, fail, value)),
        LinuxSeccompOperator::ScmpCmpNe => code.push(instruction(JUMP_EQUAL, fail, 0, value)),
        LinuxSeccompOperator::ScmpCmpGt
        | LinuxSeccompOperator::ScmpCmpGe
        | LinuxSeccompOperator::ScmpCmpLe
        | LinuxSeccompOperator::ScmpCmpLt => {
            let (jump, met) = order(condition.op());
            let (yes, no) = met.ways(fail);
            code.push(instruction(jump, yes, no, value));
        }
        LinuxSeccompOperator::ScmpCmpMaskedEq => {
            let wanted = half(condition.value_two().unwrap_or(0)) & value;
            code.extend([
                instruction(AND, 0, 0, value),
                instruction(JUMP_EQUAL, 0, fail, wanted),
            ]);
        }
    }
    code
}

/// When a condition is met.
#[derive(Clone, Copy)]
enum Met {
    /// Where the jump is taken.
    Taken,
    /// Where it isn't.
    Passed,
}

impl Met {
    /// How far the jump goes where it is taken and where it isn't, to skip `fail` unless the condition is met.
    fn ways(self, fail: u8) -> (u8, u8) {
        match self {
            Self::Taken => (0, fail),
            Self::Passed => (fail, 0),
        }
    }
}

/// The jump that an order of numbers is found by: less is not greater or equal, less or equal not greater.
fn order(operator: LinuxSeccompOperator) -> (u16, Met) {
    match operator {
        LinuxSeccompOperator::ScmpCmpGt => (JUMP_GREATER, Met::Taken),
        LinuxSeccompOperator::ScmpCmpLe => (JUMP_GREATER, Met::Passed),
        LinuxSeccompOperator::ScmpCmpGe => (JUMP_GREATER_OR_EQUAL, Met::Taken),
        _ => (JUMP_GREATER_OR_EQUAL, Met::Passed),
    }
}
