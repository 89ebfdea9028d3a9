//! The generator behind `randconfig`: rand(3) as glibc has it (stdlib/random_r.c, TYPE_3: an additive feedback of degree 31
//! with separation 3), so that a seed gives the configuration it gives to the C tool.

const DEGREE: usize = 31;
const SEPARATION: usize = 3;

/// srand(3) and rand(3).
pub(super) struct Random {
    state: [u32; DEGREE],
    front: usize,
    rear: usize,
}

impl Random {
    /// srand(seed)
    pub fn new(seed: u32) -> Random {
        let mut state = [0; DEGREE];
        let mut word = if seed == 0 { 1 } else { seed as i32 };
        for (index, place) in state.iter_mut().enumerate() {
            if index > 0 {
                // 16807 × word mod 2³¹−1, without overflow.
                let (high, low) = (word / 127_773, word % 127_773);
                word = 16_807 * low - 2_836 * high;
                if word < 0 {
                    word += i32::MAX;
                }
            }
            *place = word as u32;
        }
        let mut random = Random { state, front: SEPARATION, rear: 0 };
        for _ in 0..10 * DEGREE {
            random.next();
        }
        random
    }

    /// rand(): 0 to 2³¹−1.
    pub fn next(&mut self) -> u32 {
        self.state[self.front] = self.state[self.front].wrapping_add(self.state[self.rear]);
        let number = self.state[self.front] >> 1;
        self.front = (self.front + 1) % DEGREE;
        self.rear = (self.rear + 1) % DEGREE;
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_glibc() {
        // What a C program printed after srand(1) and srand(42) with glibc 2.36.
        let first = |seed| {
            let mut random = Random::new(seed);
            [random.next(), random.next(), random.next()]
        };
        assert_eq!(first(1), [1_804_289_383, 846_930_886, 1_681_692_777]);
        assert_eq!(first(0), first(1));
        assert_eq!(first(42), [71_876_166, 708_592_740, 1_483_128_881]);
    }
}
