import CW2VLibTorch

/// All that a device did under one name: a GPU's launches of a kernel and its copies, or a CPU's calls of an operator.
public struct DeviceActivity: Sendable, Equatable {
    /// The name of the kernel or operator.
    public var name: String
    /// The number of times it ran.
    public var count: Int
    /// The sum of its times in seconds; an operator's time includes that of the operators it calls.
    public var seconds: Double

    /// Records what a device does while `body` runs; a process can record once at a time.
    ///
    /// Source: LibTorch's Kineto, which reads GPUs by CUPTI. Unlike ``Profile``, it does not slow a GPU's work down by
    /// waiting for it, and sees every kernel.
    ///
    /// - Returns: The activities, the longest first.
    /// - Throws: Any error of `body`, and `TorchError.operation` when LibTorch cannot record.
    public static func record(on device: Device, _ body: () throws -> Void) throws -> [DeviceActivity] {
        try device.synchronize()
        try TorchError.check(ct_activities_begin(device.packed))
        let result = Result { try body() }
        let finished = Result { try device.synchronize() }
        var (rows, count): (UnsafeMutablePointer<ct_activity>?, Int) = (nil, 0)
        // The recording must end whatever happened in it.
        let ended = ct_activities_end(device.packed, &rows, &count)
        defer { ct_activities_free(rows, count) }
        try result.get()
        try finished.get()
        try TorchError.check(ended)
        return (0..<count).compactMap { row in
            guard let activity = rows?[row] else { return nil }
            return DeviceActivity(
                name: activity.name.map { String(cString: $0) } ?? "", count: Int(activity.count),
                seconds: activity.seconds)
        }.sorted { ($1.seconds, $0.name) < ($0.seconds, $1.name) }
    }
}
