import Foundation
import NIOCore

/// An address to listen on.
struct ListeningAddress: Sendable {
    /// The socket's address.
    let socket: SocketAddress

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
                    socket = SocketAddress(raw.loadUnaligned(as: sockaddr_in.self))
                    return
                }
                if info.ai_family == AF_INET6 {
                    socket = SocketAddress(raw.loadUnaligned(as: sockaddr_in6.self))
                    return
                }
            }
            entry = info.ai_next
        }
        throw ServerError.badHost(host, reason: "it has no address")
    }

    /// Whether the address is reachable only from this machine.
    var isLoopback: Bool {
        switch socket {
        case .v4(let address): return UInt32(bigEndian: address.address.sin_addr.s_addr) >> 24 == 127
        case .v6(let address):
            let bytes = withUnsafeBytes(of: address.address.sin6_addr) { Array($0) }
            let isMapped = bytes.prefix(12) == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
            return isMapped ? bytes[12] == 127 : bytes.dropLast().allSatisfy { $0 == 0 } && bytes.last == 1
        case .unixDomainSocket: return true
        }
    }
}
