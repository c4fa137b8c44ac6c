import com.fasterxml.jackson.core.io.JsonStringEncoder;
import java.nio.charset.StandardCharsets;
import java.time.LocalDate;
import java.util.Arrays;

/** JSON text in UTF-8, written into one array that is used again and again. */
final class JsonBytes {
    private static final byte[] HEX = "0123456789abcdef".getBytes(StandardCharsets.US_ASCII);
    private static final long DAY = 86_400_000;

    private byte[] bytes;
    private int length;
    private long cachedDay = Long.MIN_VALUE;
    private final byte[] cachedDate = new byte[11];

    JsonBytes(int capacity) {
        bytes = new byte[capacity];
    }

    int length() {
        return length;
    }

    void truncate(int newLength) {
        length = newLength;
    }

    byte[] copy() {
        return Arrays.copyOf(bytes, length);
    }

    JsonBytes raw(byte[] text) {
        reserve(text.length);
        System.arraycopy(text, 0, bytes, length, text.length);
        length += text.length;
        return this;
    }

    JsonBytes raw(char character) {
        reserve(1);
        bytes[length++] = (byte) character;
        return this;
    }

    /** Characters of ASCII that need no escaping. */
    @SuppressWarnings("deprecation") // The other ways make an array first.
    JsonBytes ascii(String text, int end) {
        reserve(end);
        text.getBytes(0, end, bytes, length);
        length += end;
        return this;
    }

    JsonBytes ascii(String text) {
        return ascii(text, text.length());
    }

    /** A JSON string with its quotes. */
    JsonBytes string(String text) {
        int start = length;
        int end = text.length();
        reserve(end + 2);
        bytes[length++] = '"';
        for (int i = 0; i < end; i++) {
            char character = text.charAt(i);
            if (character < ' ' || character > '~' || character == '"' || character == '\\') {
                length = start;
                return raw('"').raw(JsonStringEncoder.getInstance().quoteAsUTF8(text)).raw('"');
            }
            bytes[length++] = (byte) character;
        }
        bytes[length++] = '"';
        return this;
    }

    JsonBytes hex(byte[] data) {
        reserve(2 * data.length);
        for (byte each : data) {
            bytes[length++] = HEX[(each >> 4) & 15];
            bytes[length++] = HEX[each & 15];
        }
        return this;
    }

    JsonBytes number(long value) {
        reserve(20);
        if (value < 0) {
            bytes[length++] = '-';
            value = -value;
        }
        int count = 1;
        for (long power = 10; count < 19 && power <= value; power *= 10) {
            count++;
        }
        return digits(value, count);
    }

    /** Seconds with their nanoseconds as fraction; none are negative. */
    JsonBytes nanoseconds(long value) {
        return number(value / 1_000_000_000).raw('.').digits(value % 1_000_000_000, 9);
    }

    /** Seconds with their milliseconds as fraction. */
    JsonBytes milliseconds(long value) {
        if (value < 0) {
            raw('-');
            value = -value;
        }
        return number(value / 1000).raw('.').digits(value % 1000, 3);
    }

    /** RFC 3339, UTC; a time between 1970 and 9999. */
    JsonBytes time(long milliseconds, boolean withZeroMilliseconds) {
        long day = milliseconds / DAY;
        if (day != cachedDay) {
            byte[] date = (LocalDate.ofEpochDay(day) + "T").getBytes(StandardCharsets.US_ASCII);
            System.arraycopy(date, 0, cachedDate, 0, date.length);
            cachedDay = day;
        }
        int rest = (int) (milliseconds % DAY);
        raw(cachedDate);
        digits(rest / 3_600_000, 2).raw(':');
        digits(rest / 60_000 % 60, 2).raw(':');
        digits(rest / 1000 % 60, 2);
        if (withZeroMilliseconds || rest % 1000 != 0) {
            raw('.').digits(rest % 1000, 3);
        }
        return raw('Z');
    }

    private JsonBytes digits(long value, int count) {
        reserve(count);
        length += count;
        int end = length;
        while (value > Integer.MAX_VALUE) {
            bytes[--end] = (byte) ('0' + value % 10);
            value /= 10;
        }
        int rest = (int) value; // Much faster to divide.
        for (int start = length - count; end > start; rest /= 10) {
            bytes[--end] = (byte) ('0' + rest % 10);
        }
        return this;
    }

    private void reserve(int more) {
        if (length + more > bytes.length) {
            bytes = Arrays.copyOf(bytes, 2 * (length + more));
        }
    }
}
