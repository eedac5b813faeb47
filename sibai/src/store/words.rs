//! Random words for people: passwords and tokens that can be read out and typed.

use anyhow::Result;

/// A password: four groups of five letters, 99 bits.
pub fn password() -> Result<String> {
    let letters = random(PASSWORD)?;
    let groups: Vec<&str> = (0..PASSWORD / GROUP).map(|n| &letters[n * GROUP..(n + 1) * GROUP]).collect();
    Ok(groups.join("-"))
}

/// `letters` random letters of the alphabet, 4.95 bits each, from the system's entropy.
pub fn random(letters: usize) -> Result<String> {
    let mut text = String::with_capacity(letters);
    let mut bytes = [0; 64];
    while text.len() < letters {
        getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no entropy: {error}"))?;
        for byte in bytes {
            // Bytes of the last, incomplete round would make its letters likelier than the others.
            let letter = usize::from(byte);
            if letter < EVEN && text.len() < letters {
                text.push(char::from(ALPHABET[letter % ALPHABET.len()]));
            }
        }
    }
    Ok(text)
}

/// Small letters and digits without 0 o, 1 i l: nothing that looks like something else.
const ALPHABET: &[u8; 31] = b"23456789abcdefghjkmnpqrstuvwxyz";
/// The greatest multiple of the alphabet's size that a byte can hold.
const EVEN: usize = 256 / ALPHABET.len() * ALPHABET.len();
const PASSWORD: usize = 20;
const GROUP: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_four_readable_groups_and_never_the_same() {
        let one = password().unwrap();
        assert_eq!(one.split('-').map(str::len).collect::<Vec<_>>(), [5, 5, 5, 5]);
        assert!(one.bytes().all(|byte| byte == b'-' || ALPHABET.contains(&byte)), "{one}");
        assert_ne!(one, password().unwrap());
    }

    #[test]
    fn every_letter_is_as_likely_as_any_other() {
        let text = random(31_000).unwrap();
        for letter in ALPHABET {
            let times = text.bytes().filter(|byte| byte == letter).count();
            assert!((750..1_250).contains(&times), "{} came {times} times", char::from(*letter));
        }
    }
}
