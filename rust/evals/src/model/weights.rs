//! Reads the safetensors format: the length of a JSON header in eight bytes, the header, the numbers.

use anyhow::{Context, Result, ensure};
use ndarray::{Array1, Array2};
use serde::Deserialize;
use std::collections::HashMap;

/// The tensors of one file.
pub struct Weights {
    entries: HashMap<String, Entry>,
    data: Vec<u8>,
    start: usize,
}

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

impl Weights {
    pub fn parse(data: Vec<u8>) -> Result<Self> {
        let length = data.first_chunk::<8>().context("the file is too short")?;
        let length = usize::try_from(u64::from_le_bytes(*length)).context("the header is too long")?;
        let start = length.checked_add(8).filter(|start| *start <= data.len());
        let start = start.context("the header is longer than the file")?;
        let mut header: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&data[8..start]).context("the header is not JSON")?;
        header.remove("__metadata__");
        let entries = serde_json::from_value(header.into()).context("the header has another form")?;
        Ok(Self { entries, data, start })
    }

    /// A tensor of one dimension.
    pub fn vector(&self, name: &str, length: usize) -> Result<Array1<f32>> {
        Ok(Array1::from_vec(self.numbers(name, &[length])?))
    }

    /// A tensor of two dimensions.
    pub fn matrix(&self, name: &str, rows: usize, columns: usize) -> Result<Array2<f32>> {
        Ok(Array2::from_shape_vec((rows, columns), self.numbers(name, &[rows, columns])?)?)
    }

    fn numbers(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let entry = self.entries.get(name).with_context(|| format!("there is no tensor {name}"))?;
        ensure!(entry.dtype == "F32", "{name} is of {}; only F32 is read", entry.dtype);
        ensure!(entry.shape == shape, "{name} has the shape {:?}, not {shape:?}", entry.shape);
        let [from, to] = entry.data_offsets;
        let bytes = self.data[self.start..].get(from..to).with_context(|| format!("{name} is cut off"))?;
        ensure!(bytes.len() == shape.iter().product::<usize>() * 4, "{name} has not the bytes of its shape");
        let (numbers, _) = bytes.as_chunks::<4>();
        Ok(numbers.iter().map(|number| f32::from_le_bytes(*number)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, numbers: &[f32]) -> Vec<u8> {
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.as_bytes());
        numbers.iter().for_each(|number| file.extend(number.to_le_bytes()));
        file
    }

    #[test]
    fn tensors_are_read_by_name_and_shape() {
        let header = r#"{"__metadata__":{"format":"pt"},
            "a":{"dtype":"F32","shape":[2,2],"data_offsets":[4,20]},
            "b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
        let weights = Weights::parse(file(header, &[9.0, 1.0, 2.0, 3.0, 4.0])).unwrap();
        assert_eq!(weights.matrix("a", 2, 2).unwrap(), ndarray::array![[1.0, 2.0], [3.0, 4.0]]);
        assert_eq!(weights.vector("b", 1).unwrap(), ndarray::array![9.0]);
        let wrong = weights.matrix("a", 4, 1).unwrap_err().to_string();
        assert_eq!(wrong, "a has the shape [2, 2], not [4, 1]");
        assert_eq!(weights.vector("c", 1).unwrap_err().to_string(), "there is no tensor c");
    }

    #[test]
    fn a_damaged_file_is_an_error() {
        let cut = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
        let weights = Weights::parse(file(cut, &[1.0])).unwrap();
        assert_eq!(weights.vector("a", 2).unwrap_err().to_string(), "a is cut off");
        let half = r#"{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}"#;
        let weights = Weights::parse(file(half, &[1.0])).unwrap();
        assert_eq!(weights.vector("a", 2).unwrap_err().to_string(), "a is of F16; only F32 is read");
        for wrong in [vec![1, 2, 3], u64::MAX.to_le_bytes().to_vec(), file("{", &[]), file("[]", &[])] {
            assert!(Weights::parse(wrong).is_err());
        }
    }
}
