import FlyingSocks
import Foundation

/// An address to listen on.
enum ListeningAddress: Sendable {
    case ip4(sockaddr_in)
    case ip6(sockaddr_in6)

    /// Resolves a host name.
    ///
    /// - Parameters:
    ///   - host: A host name or an IP address.
    ///   - port: The port.
    /// - Throws: `ServerError.badHost`.
    init(host: String, port: UInt16) throws {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_PASSIVE
        var found: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, String(port), &hints, &found)
        guard status == 0 else {
            throw ServerError.badHost(host, reason: String(cString: gai_strerror(status)))
        }
        defer { freeaddrinfo(found) }
        var entry = found
        while let info = entry?.pointee {
            if let address = info.ai_addr {
                let raw = UnsafeRawPointer(address)
                if info.ai_family == AF_INET {
                    self = .ip4(raw.loadUnaligned(as: sockaddr_in.self))
                    return
                }
                if info.ai_family == AF_INET6 {
                    self = .ip6(raw.loadUnaligned(as: sockaddr_in6.self))
                    return
                }
            }
            entry = info.ai_next
        }
        throw ServerError.badHost(host, reason: "it has no address")
    }

    /// Whether the address is reachable only from this machine.
    var isLoopback: Bool {
        switch self {
        case .ip4(let address): return UInt32(bigEndian: address.sin_addr.s_addr) >> 24 == 127
        case .ip6(let address):
            let bytes = withUnsafeBytes(of: address.sin6_addr) { Array($0) }
            let isMapped = bytes.prefix(12) == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
            return isMapped ? bytes[12] == 127 : bytes.dropLast().allSatisfy { $0 == 0 } && bytes.last == 1
        }
    }

    /// Returns the same address with the port that the system has chosen.
    func with(port: UInt16) -> ListeningAddress {
        switch self {
        case .ip4(var address):
            address.sin_port = port.bigEndian
            return .ip4(address)
        case .ip6(var address):
            address.sin6_port = port.bigEndian
            return .ip6(address)
        }
    }
}
