/// Cuts scanned text into words, one pass from left to right.
///
/// Every alternative of a rule's regular expression has a method that returns where its match
/// ends; they are tried in the expression's order. All indices count scalars.
struct WordScanner {
    private let text: [UInt8]
    private let scanned: ScannedText
    private let rule: WordRule
    private var position = 0
    /// End of the stretch that the rule's outer expression has cut; the inner one sees its end as
    /// the end of the text.
    private var stretchEnd = 0
    /// End of the run of numbers that `position` lies in, for `fallback`.
    private var numberEnd = 0

    /// - Parameter text: what was scanned.
    init(_ text: [UInt8], scanned: ScannedText, rule: WordRule) {
        self.text = text
        self.scanned = scanned
        self.rule = rule
    }

    /// Bytes of the next word.
    mutating func next() -> Range<Int>? {
        guard position < scanned.classes.count else { return nil }
        let start = position
        position =
            switch rule {
            case .gpt2: gpt2End(start, limit: scanned.classes.count)
            case .singleDigits: singleDigitsEnd(start)
            case .fallback: fallbackEnd(start)
            case .llama3(let digitsPerWord): llama3End(start, digitsPerWord: digitsPerWord)
            }
        return Int(scanned.offsets[start])..<Int(scanned.offsets[position])
    }

    // MARK: Rules

    private func gpt2End(_ start: Int, limit: Int) -> Int {
        if let end = contractionEnd(start, limit: limit, ignoringCase: false) { return end }
        let first = scanned.classes[start].contains(.space) && start + 1 < limit ? start + 1 : start
        let kind = scanned.classes[first].intersection(.wordOrSpace)
        if kind != .whitespace { return kindEnd(first, limit: limit, kind) }
        return whitespaceEnd(start, limit: limit)
    }

    private mutating func singleDigitsEnd(_ start: Int) -> Int {
        if scanned.classes[start].contains(.number) { return start + 1 }
        if start >= stretchEnd { stretchEnd = runEnd(start) { !$0.contains(.number) } }
        return gpt2End(start, limit: stretchEnd)
    }

    private mutating func fallbackEnd(_ start: Int) -> Int {
        if start < numberEnd { return digitGroupEnd(start) }
        if scanned.classes[start].contains(.punctuation) {
            return runEnd(start) { $0.contains(.punctuation) }
        }
        if start >= stretchEnd { stretchEnd = runEnd(start) { !$0.contains(.punctuation) } }
        let end = gpt2End(start, limit: stretchEnd)
        guard scanned.classes[end - 1].contains(.number) else { return end }
        numberEnd = end
        return scanned.classes[start].contains(.number) ? digitGroupEnd(start) : start + 1
    }

    /// Three ASCII digits, or what lies before the next three in this run of numbers.
    private func digitGroupEnd(_ start: Int) -> Int {
        var digitCount = 0
        for index in start..<numberEnd {
            digitCount = scanned.classes[index].contains(.asciiDigit) ? digitCount + 1 : 0
            if digitCount == 3 { return index - 2 == start ? index + 1 : index - 2 }
        }
        return numberEnd
    }

    private func llama3End(_ start: Int, digitsPerWord: Int) -> Int {
        let classes = scanned.classes
        let limit = classes.count
        if let end = contractionEnd(start, limit: limit, ignoringCase: true) { return end }
        if classes[start].contains(.letter) { return kindEnd(start, limit: limit, .letter) }
        if classes[start].isDisjoint(with: [.lineBreak, .number]), start + 1 < limit,
            classes[start + 1].contains(.letter)
        {
            return kindEnd(start + 1, limit: limit, .letter)
        }
        if classes[start].contains(.number) {
            return kindEnd(start, limit: min(limit, start + digitsPerWord), .number)
        }
        let first = classes[start].contains(.space) && start + 1 < limit ? start + 1 : start
        if classes[first].isDisjoint(with: .wordOrSpace) {
            var end = kindEnd(first, limit: limit, [])
            while end < limit, classes[end].contains(.lineBreak) { end += 1 }
            return end
        }
        let runEnd = kindEnd(start, limit: limit, .whitespace)
        for index in (start..<runEnd).reversed() where classes[index].contains(.lineBreak) {
            return index + 1
        }
        return whitespaceEnd(start, limit: limit)
    }

    // MARK: Parts of rules

    /// `'s|'t|'re|'ve|'m|'ll|'d`
    private func contractionEnd(_ start: Int, limit: Int, ignoringCase: Bool) -> Int? {
        guard scanned.classes[start].contains(.apostrophe), start + 1 < limit else { return nil }
        switch asciiLetter(start + 1, lowercasing: ignoringCase) {
        case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"):
            return start + 2
        case UInt8(ascii: "r"), UInt8(ascii: "v"):
            return start + 2 < limit
                && asciiLetter(start + 2, lowercasing: ignoringCase) == UInt8(ascii: "e")
                ? start + 3 : nil
        case UInt8(ascii: "l"):
            return start + 2 < limit
                && asciiLetter(start + 2, lowercasing: ignoringCase) == UInt8(ascii: "l")
                ? start + 3 : nil
        default: return nil
        }
    }

    /// The scalar's first byte, in lower case if wanted; U+017F (ſ) is then an s, as Unicode's
    /// case folding has it.
    private func asciiLetter(_ index: Int, lowercasing: Bool) -> UInt8 {
        let offset = Int(scanned.offsets[index])
        let byte = text[offset]
        guard lowercasing else { return byte }
        if byte == 0xC5, text[offset + 1] == 0xBF { return UInt8(ascii: "s") }
        return (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
    }

    /// `\s+(?!\S)|\s+`: leaves the last of several to the word that follows.
    private func whitespaceEnd(_ start: Int, limit: Int) -> Int {
        let end = kindEnd(start, limit: limit, .whitespace)
        return end < limit && end - start > 1 ? end - 1 : end
    }

    /// End of the run that is letters, numbers, white space or (empty `kind`) none of them.
    private func kindEnd(_ start: Int, limit: Int, _ kind: ScalarClass) -> Int {
        var index = start
        while index < limit, scanned.classes[index].intersection(.wordOrSpace) == kind {
            index += 1
        }
        return index
    }

    private func runEnd(_ start: Int, _ belongs: (ScalarClass) -> Bool) -> Int {
        var index = start
        while index < scanned.classes.count, belongs(scanned.classes[index]) { index += 1 }
        return index
    }
}
