import Foundation

/// The reasons of system errors, in words for people.
///
/// Foundation's errors describe themselves as "The operation could not be completed. (NSCocoaErrorDomain error 512.)";
/// the system's own reason is inside them.
public enum SystemReason {
    /// Returns the reason of a file system error.
    ///
    /// - Returns: For example "the disk is full", without a full stop.
    public static func of(_ error: any Error) -> String {
        if let error = error as? any ExplainedError { return error.problem }
        if let error = error as? POSIXError { return of(code: error.code.rawValue) }
        let error = error as NSError
        if let cause = error.userInfo[NSUnderlyingErrorKey] as? any Error { return of(cause) }
        if error.domain == NSPOSIXErrorDomain { return of(code: Int32(truncatingIfNeeded: error.code)) }
        if error.domain == NSCocoaErrorDomain {
            switch CocoaError.Code(rawValue: error.code) {
            case .fileNoSuchFile, .fileReadNoSuchFile: return "there is no such file or folder"
            case .fileReadNoPermission, .fileWriteNoPermission: return of(code: EACCES)
            case .fileWriteOutOfSpace: return of(code: ENOSPC)
            case .fileWriteVolumeReadOnly: return of(code: EROFS)
            case .fileWriteFileExists: return of(code: EEXIST)
            case .fileReadUnknown: return "the system gives no reason; check the file and its disk"
            case .fileWriteUnknown:
                return "the system gives no reason; check the disk's room and the limits of the process"
            default: break
            }
        }
        let text = error.localizedDescription
        return text.hasSuffix(".") ? String(text.dropLast()) : text
    }

    /// Returns the words for a system error number.
    ///
    /// - Parameter code: The value of `errno`.
    /// - Returns: For example "the disk is full".
    public static func of(code: Int32) -> String {
        switch code {
        case ENOENT: "there is no such file or folder"
        case ENOSPC: "the disk is full"
        case EDQUOT: "the disk quota is used up"
        case EFBIG: "the process's file size limit is reached"
        default: String(cString: strerror(code))
        }
    }

    /// Returns one sentence about an error of Foundation's file operations.
    ///
    /// - Returns: For example "/data/x: Permission denied".
    public static func sentence(_ error: CocoaError) -> String {
        let path = error.userInfo[NSFilePathErrorKey] as? String ?? (error.userInfo[NSURLErrorKey] as? URL)?.path
        return (path.map { "\($0.printable): " } ?? "") + of(error)
    }
}
