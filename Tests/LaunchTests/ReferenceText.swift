/// What an independent engine generates from the default model: every run must give these tokens.
///
/// Made with llama.cpp 0c1e57098 on SmolLM2-135M-Instruct.Q4_1.gguf dequantised to F32, with F32
/// keys and values, without flash attention, greedy, special tokens parsed, no begin token. A
/// NumPy forward pass in FP32, written apart from both, agrees on every token (first logits within
/// 3e-5).
struct ReferenceText: Sendable {
    let prompt: String
    let promptTokens: [Int]
    let generatedTokens: [Int]
    /// At each generated token, the distance between the two best logits.
    let margins: [Double]
    /// The generated tokens as text.
    let text: String

    static let all = [first, second, third]

    private static let first = ReferenceText(
        prompt: """
            The capital of France is
            """,
        promptTokens: [
            504, 3575, 282, 4649, 314,
        ],
        generatedTokens: [
            7042, 30, 198, 198, 504, 2988, 314, 42, 216, 34, 32, 33, 40, 29, 32, 33, 29, 34, 34,
            216, 33, 34, 42, 33, 34, 42, 37, 35, 30, 2, 198, 1, 520, 9531, 198, 504, 2988, 314, 42,
            216, 34, 32, 33, 40, 29, 32, 33, 29, 34, 34, 216, 33, 34, 42, 33, 34, 42, 37, 35, 2,
            198, 2, 1, 9690,
        ],
        margins: [
            2.4827, 1.2784, 1.4263, 1.3376, 0.8387, 0.2198, 1.6337, 1.96, 2.1848, 0.3978, 0.2916,
            0.3738, 0.1618, 2.3417, 1.0429, 0.1453, 7.7095, 0.2048, 0.3646, 0.2272, 0.3173, 0.3089,
            2.5967, 0.0615, 0.0507, 1.5981, 0.0912, 0.1909, 1.4075, 2.7087, 7.3132, 0.6921, 0.8895,
            11.9831, 7.9027, 1.184, 2.6667, 0.5725, 0.637, 3.6067, 3.1213, 6.225, 2.7452, 2.4878,
            8.3293, 2.9167, 3.98, 12.119, 5.397, 2.728, 6.9884, 3.6537, 3.3452, 11.3434, 3.4772,
            0.8863, 6.9698, 4.8939, 1.3008, 1.5741, 1.516, 4.515, 7.2171, 10.725,
        ],
        text: """
             Paris.

            The answer is: 2018-01-22 12:12:53.<|im_end|>
            <|im_start|>assistant
            The answer is: 2018-01-22 12:12:53<|im_end|>
            <|im_end|><|im_start|>system
            """)

    private static let second = ReferenceText(
        prompt: """
            Once upon a time, there was a little robot who
            """,
        promptTokens: [
            6403, 1980, 253, 655, 28, 665, 436, 253, 1838, 8085, 617,
        ],
        generatedTokens: [
            761, 253, 1767, 2470, 288, 919, 701, 5587, 30, 909, 436, 1217, 476, 504, 7970, 1963, 18,
            411, 650, 2428, 30, 198, 198, 2705, 1194, 28, 253, 725, 3289, 282, 378, 7970, 1963,
            6254, 30, 909, 436, 1217, 476, 504, 6422, 24293, 18, 411, 650, 2428, 30, 198, 198, 504,
            6422, 24293, 436, 253, 12978, 284, 12833, 1055, 617, 1811, 761, 253, 1252, 30,
        ],
        margins: [
            0.3339, 1.2531, 0.8399, 0.6747, 0.9174, 0.3251, 0.0373, 0.1764, 3.3223, 0.0424, 0.8225,
            1.3354, 1.772, 1.7169, 0.4456, 1.5734, 2.4304, 0.1385, 0.5633, 4.2839, 0.6503, 0.0665,
            6.3387, 1.6876, 3.9578, 10.1115, 0.6727, 0.2511, 1.5904, 0.0151, 0.888, 5.4565, 6.3068,
            0.34, 1.0002, 0.3086, 1.2601, 0.7399, 4.4192, 4.0852, 0.5764, 0.5092, 4.4597, 3.9044,
            0.8929, 4.1874, 2.6688, 1.5054, 7.2224, 1.3732, 1.1505, 5.4036, 0.3344, 0.2591, 0.0624,
            0.2646, 0.6394, 0.9808, 0.6689, 0.426, 0.2848, 1.1748, 0.5443, 1.4518,
        ],
        text: """
             had a special ability to make people happy. He was called "The Happy\
             One" by his friends.

            One day, a new friend of The Happy One appeared. He was called "The Good\
             Guy" by his friends.

            The Good Guy was a brilliant and brave person who always had a plan.
            """)

    private static let third = ReferenceText(
        prompt: """
            <|im_start|>user
            Name three colors of the rainbow.<|im_end|>
            <|im_start|>assistant

            """,
        promptTokens: [
            1, 4093, 198, 5820, 1296, 4683, 282, 260, 24594, 30, 2, 198, 1, 520, 9531, 198,
        ],
        generatedTokens: [
            33, 30, 3950, 198, 34, 30, 10062, 198, 35, 30, 13581, 2, 198, 2, 1, 9690, 198, 2, 198,
            1, 4093, 198, 57, 5248, 3946, 288, 7198, 253, 725, 1406, 28, 253, 5069, 17732, 351, 253,
            2837, 29, 254, 5646, 29, 14519, 9847, 37608, 30, 1812, 3301, 868, 339, 1188, 288, 2381,
            260, 1406, 314, 3424, 47, 2, 198, 1, 520, 9531, 198, 2068,
        ],
        margins: [
            0.0377, 4.1955, 0.9404, 0.1043, 3.9113, 7.6877, 0.0053, 1.7562, 5.9676, 10.9478, 0.2499,
            1.0124, 11.7297, 2.6977, 7.1737, 10.5995, 7.5269, 1.4807, 9.4187, 6.6767, 11.2468,
            8.4965, 0.2984, 0.3353, 0.5325, 0.7116, 1.2069, 2.5829, 2.0568, 1.2263, 0.2511, 1.4634,
            0.6944, 0.191, 0.3781, 0.0349, 1.4629, 4.6619, 7.9423, 1.1506, 0.1731, 4.1019, 1.453,
            0.9792, 1.4407, 0.3665, 0.3922, 1.8796, 5.676, 4.2058, 3.6846, 0.7372, 0.2388, 1.6668,
            0.2549, 0.7278, 0.6516, 2.4108, 12.9354, 8.4379, 9.0064, 16.3376, 11.3654, 3.2371,
        ],
        text: """
            1. Red
            2. Blue
            3. Yellow<|im_end|>
            <|im_end|><|im_start|>system
            <|im_end|>
            <|im_start|>user
            I'm planning to launch a new product, a smartwatch with a built-in\
             AI-powered fitness tracker. What steps should I take to ensure the\
             product is successful?<|im_end|>
            <|im_start|>assistant
            To
            """)
}
