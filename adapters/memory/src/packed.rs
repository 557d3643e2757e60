//! Several texts in one allocation: a session or a conversation is mostly ids, and ten thousand idle
//! ones are kept.

/// `N` texts.
#[derive(Clone)]
pub(crate) struct Packed<const N: usize> {
    text: Box<str>,
    ends: [u32; N],
}

impl<const N: usize> Packed<N> {
    pub(crate) fn new(texts: [&str; N]) -> Self {
        let mut ends = [0; N];
        let mut end = 0_usize;
        for (at, text) in texts.iter().enumerate() {
            end += text.len();
            ends[at] = u32::try_from(end).unwrap_or(u32::MAX);
        }
        Self { text: texts.concat().into_boxed_str(), ends }
    }

    pub(crate) fn get(&self, at: usize) -> &str {
        let start = if at == 0 { 0 } else { self.ends[at - 1] as usize };
        &self.text[start..self.ends[at] as usize]
    }

    pub(crate) fn own(&self, at: usize) -> String {
        self.get(at).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_as_they_were() {
        let texts = ["", "é🙂", "a\0b", "", "x"];
        let packed = Packed::new(texts);
        assert_eq!([0, 1, 2, 3, 4].map(|at| packed.get(at)), texts);
    }
}
