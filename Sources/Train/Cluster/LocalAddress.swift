import Foundation

/// Returns this machine's address on the route to another one: the source address of a connection to it.
///
/// The system's routing table decides, so neither the machine's own name nor its list of interfaces matters.
///
/// - Parameters:
///   - host: A name or an address of the other machine.
///   - port: Any of its ports; nothing is sent.
/// - Returns: A numeric address; `nil` if the name is unknown or there is no route.
func localAddress(toward host: String, port: Int) -> String? {
    var hints = addrinfo()
    hints.ai_family = AF_UNSPEC
    hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
    var found: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(host, String(port), &hints, &found) == 0 else { return nil }
    defer { freeaddrinfo(found) }
    var next = found
    while let candidate = next?.pointee {
        if let address = sourceAddress(of: candidate) { return address }
        next = candidate.ai_next
    }
    return nil
}

/// Connecting a datagram socket only chooses its source address.
private func sourceAddress(of target: addrinfo) -> String? {
    let socket = socket(target.ai_family, target.ai_socktype, target.ai_protocol)
    guard socket >= 0 else { return nil }
    defer { close(socket) }
    guard connect(socket, target.ai_addr, target.ai_addrlen) == 0 else { return nil }
    var source = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    return withUnsafeMutablePointer(to: &source) { storage in
        storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
            guard getsockname(socket, address, &length) == 0 else { return nil }
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            guard
                getnameinfo(address, length, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0
            else { return nil }
            return String(decoding: text.prefix { $0 != 0 }.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
        }
    }
}

/// Returns whether an address is reachable only from this machine.
func isLoopback(_ address: String) -> Bool { address.hasPrefix("127.") || address == "::1" }
