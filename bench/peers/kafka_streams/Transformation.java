import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.HexFormat;

/** Pseudonyms for devices, masks for addresses, times in one form. */
final class Transformation {
    static final long NO_TIME = -1;
    private static final int SHA256_BLOCK = 64;
    private static final long FIRST_MILLISECONDS = 100_000_000_000L;
    private static final long END_OF_9999 = 253_402_300_800_000L;
    /** So many digits come out of a double as they went in. */
    private static final int EXACT_DIGITS = 15;

    private final MessageDigest inner;
    private final MessageDigest outer;
    private final byte[] keyId;
    private final int[] words = new int[8];

    Transformation(byte[] key) throws GeneralSecurityException {
        MessageDigest sha256 = MessageDigest.getInstance("SHA-256");
        byte[] block = key.length > SHA256_BLOCK ? sha256.digest(key) : key;
        inner = MessageDigest.getInstance("SHA-256");
        outer = MessageDigest.getInstance("SHA-256");
        for (int i = 0; i < SHA256_BLOCK; i++) {
            int part = i < block.length ? block[i] : 0;
            inner.update((byte) (part ^ 0x36));
            outer.update((byte) (part ^ 0x5c));
        }
        String name = HexFormat.of().formatHex(pseudonym("kafka_processor key id"), 0, 4);
        keyId = name.getBytes(StandardCharsets.US_ASCII);
    }

    byte[] keyId() {
        return keyId;
    }

    /** HMAC-SHA256: both halves of the key are hashed once and copied for each value. */
    byte[] pseudonym(String deviceId) {
        try {
            MessageDigest digest = (MessageDigest) inner.clone();
            byte[] hash = digest.digest(deviceId.getBytes(StandardCharsets.UTF_8));
            digest = (MessageDigest) outer.clone();
            return digest.digest(hash);
        } catch (CloneNotSupportedException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    /** Whether `ip` is an IP address; its masked form is appended then. */
    boolean maskIp(String ip, JsonBytes out) {
        if (ip.indexOf(':') < 0) {
            if (!isIpv4(ip, 0)) {
                return false;
            }
            out.ascii(ip, ip.lastIndexOf('.') + 1).raw('0');
            return true;
        }
        if (!readIpv6(ip)) {
            return false;
        }
        if ((words[0] | words[1] | words[2] | words[3] | words[4]) == 0 && words[5] == 0xffff) {
            out.number(words[6] >> 8).raw('.').number(words[6] & 255).raw('.');
            out.number(words[7] >> 8).raw(".0".getBytes(StandardCharsets.US_ASCII));
            return true;
        }
        if (words[0] == 0x2002) {
            words[2] &= 0xff00;
        }
        int kept = words[2] != 0 ? 3 : words[1] != 0 ? 2 : words[0] != 0 ? 1 : 0;
        for (int i = 0; i < kept; i++) {
            if (i > 0) {
                out.raw(':');
            }
            out.ascii(Integer.toHexString(words[i]));
        }
        out.raw(':').raw(':');
        return true;
    }

    private static boolean isIpv4(String ip, int start) {
        int octets = 0;
        int value = -1;
        for (int i = start; i < ip.length(); i++) {
            char character = ip.charAt(i);
            if (character >= '0' && character <= '9') {
                if (value == 0) {
                    return false;
                }
                value = Math.max(value, 0) * 10 + character - '0';
                if (value > 255) {
                    return false;
                }
            } else if (character == '.' && value >= 0 && octets < 3) {
                octets++;
                value = -1;
            } else {
                return false;
            }
        }
        return octets == 3 && value >= 0;
    }

    /** Whether it is one, as inet_pton decides; its parts are in `words` then. */
    private boolean readIpv6(String ip) {
        int count = 0;
        int gap = -1;
        int i = 0;
        int end = ip.length();
        if (ip.charAt(0) == ':') {
            if (end < 2 || ip.charAt(1) != ':') {
                return false;
            }
            i = 1;
        }
        boolean endsWithColon = false;
        while (i < end) {
            if (ip.charAt(i) == ':') {
                if (gap >= 0) {
                    return false;
                }
                gap = count;
                i++;
                endsWithColon = false;
                continue;
            }
            int value = 0;
            int start = i;
            while (i < end && hexDigit(ip.charAt(i)) >= 0) {
                value = value << 4 | hexDigit(ip.charAt(i));
                i++;
                if (i - start > 4) {
                    return false;
                }
            }
            if (i < end && ip.charAt(i) == '.') {
                if (count > 6 || !isIpv4(ip, start)) {
                    return false;
                }
                String[] octets = ip.substring(start).split("\\.");
                words[count++] = Integer.parseInt(octets[0]) << 8 | Integer.parseInt(octets[1]);
                words[count++] = Integer.parseInt(octets[2]) << 8 | Integer.parseInt(octets[3]);
                endsWithColon = false;
                break;
            }
            if (i == start || count == 8) {
                return false;
            }
            words[count++] = value;
            endsWithColon = false;
            if (i < end) {
                if (ip.charAt(i) != ':') {
                    return false;
                }
                i++;
                endsWithColon = true;
            }
        }
        if (endsWithColon) {
            return false;
        }
        if (gap < 0) {
            return count == 8;
        }
        if (count == 8) {
            return false;
        }
        int moved = count - gap;
        for (int k = 1; k <= moved; k++) {
            words[8 - k] = words[count - k];
        }
        for (int k = gap; k < 8 - moved; k++) {
            words[k] = 0;
        }
        return true;
    }

    private static int hexDigit(char character) {
        if (character >= '0' && character <= '9') {
            return character - '0';
        }
        int letter = character | 0x20;
        return character < 128 && letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
    }

    /** Milliseconds since the epoch, or NO_TIME. `text`: a number of JSON or a numeric string. */
    static long eventTime(String text, boolean isNumber) {
        long whole = 0;
        int thousandths = 0;
        int dot = -1;
        int end = text.length();
        for (int i = 0; i < end; i++) {
            int digit = text.charAt(i) - '0';
            if (digit == '.' - '0') {
                dot = i;
            } else if (digit < 0 || digit > 9 || end > EXACT_DIGITS) {
                return unusualTime(text, isNumber);
            } else if (dot < 0) {
                whole = whole * 10 + digit;
            } else if (i - dot <= 3) {
                thousandths += digit * (i - dot == 1 ? 100 : i - dot == 2 ? 10 : 1);
            }
        }
        long milliseconds = whole < FIRST_MILLISECONDS ? whole * 1000 + thousandths : whole;
        return milliseconds < END_OF_9999 ? milliseconds : NO_TIME;
    }

    private static long unusualTime(String text, boolean isNumber) {
        boolean isDouble = isNumber && !text.chars().allMatch(each -> each == '-' || Character.isDigit(each));
        BigDecimal number =
                new BigDecimal(isDouble ? Double.toString(Double.parseDouble(text)) : text);
        if (number.signum() < 0) {
            return NO_TIME;
        }
        if (number.compareTo(BigDecimal.valueOf(FIRST_MILLISECONDS)) < 0) {
            number = number.scaleByPowerOfTen(3);
        }
        return number.compareTo(BigDecimal.valueOf(END_OF_9999)) < 0 ? number.longValue() : NO_TIME;
    }
}
