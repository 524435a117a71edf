import NIOHTTP1

/// The text that identifies a request in the logs of its client, of proxies and of the server.
enum RequestIdentifier {
    /// The header that carries it, both ways.
    static let header = "X-Request-ID"

    /// Returns the client's identifier if it is short and harmless, otherwise a new one.
    static func of(_ headers: HTTPHeaders) -> String {
        guard let given = headers.first(name: header), isHarmless(given) else { return new() }
        return given
    }

    /// Returns a new identifier: 16 hexadecimal digits.
    static func new() -> String {
        let digits = String(UInt64.random(in: .min ... .max), radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// Whether an identifier may stand in a line of a log.
    private static func isHarmless(_ text: String) -> Bool {
        (1...128).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
                    UInt8(ascii: ":"), UInt8(ascii: "/"), UInt8(ascii: "="), UInt8(ascii: "+"):
                    true
                default: false
                }
            }
    }
}
