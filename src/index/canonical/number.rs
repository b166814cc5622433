//! Numbers as exact decimals, without ever working them out.

/// Appends the form of a number, of which `text` is a valid spelling, to `form`:
/// `0`, `[-]D` or `[-]D e E`.
pub(super) fn append_form(text: &str, form: &mut Vec<u8>) {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));

    let start = form.len();
    form.extend_from_slice(sign.as_bytes());
    let first_digit = form.len();
    let digits = whole.bytes().chain(fraction.bytes());
    form.extend(digits.skip_while(|&digit| digit == b'0'));
    let written = form.len();
    while form.len() > first_digit && form.last() == Some(&b'0') {
        form.pop();
    }
    if form.len() == first_digit {
        form.truncate(start);
        form.push(b'0');
        return;
    }
    // Lengths in memory are far from the limits of i128.
    let last_digit = (written - form.len()) as i128 - fraction.len() as i128;
    append_exponent(exponent, last_digit, form);
}

/// Appends `e` and `exponent`, an integer of any length as JSON writes it, plus
/// `addend`; nothing if that is zero.
fn append_exponent(exponent: &str, addend: i128, form: &mut Vec<u8>) {
    let (is_negative, digits) = match exponent.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
    let digits = &digits[zeros..];
    // 30 digits, and a length in memory, leave room in an i128.
    if digits.len() <= 30 {
        let magnitude = digits
            .iter()
            .fold(0, |sum, digit| sum * 10 + i128::from(digit - b'0'));
        let sum = if is_negative { -magnitude } else { magnitude } + addend;
        if sum != 0 {
            form.extend_from_slice(format!("e{sum}").as_bytes());
        }
        return;
    }
    // More digits than any addend has, so the sum keeps the exponent's sign.
    form.extend_from_slice(if is_negative { b"e-" } else { b"e" });
    append_long_sum(digits, if is_negative { -addend } else { addend }, form);
}

/// Appends `digits` plus `addend`; there is a result greater than zero.
fn append_long_sum(digits: &[u8], addend: i128, form: &mut Vec<u8>) {
    let start = form.len();
    form.extend_from_slice(digits);
    let mut carry = addend;
    for digit in form[start..].iter_mut().rev() {
        if carry == 0 {
            break;
        }
        let sum = i128::from(*digit - b'0') + carry;
        *digit = b'0' + sum.rem_euclid(10) as u8;
        carry = sum.div_euclid(10);
    }
    if carry > 0 {
        let carried = carry.to_string();
        form.splice(start..start, carried.bytes());
    }
    let zeros = form[start..]
        .iter()
        .take_while(|&&digit| digit == b'0')
        .count();
    form.drain(start..start + zeros);
}
