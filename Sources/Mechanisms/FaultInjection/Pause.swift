internal import Glibc

/// Sleeps, signals or not.
func pause(seconds: Int64, nanoseconds: Int64) {
    var request = timespec(tv_sec: Int(seconds), tv_nsec: Int(nanoseconds))
    var rest = timespec()
    while unsafe nanosleep(&request, &rest) != 0, errno == EINTR { request = rest }
}
