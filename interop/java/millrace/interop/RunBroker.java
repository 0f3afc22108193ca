package millrace.interop;

import java.io.IOException;

/**
 * Runs Kafka's broker until it is asked to stop by a signal, or until standard input ends: then the
 * program that started it is gone, and a broker that nobody owns must not stay behind.
 *
 * <p>Usage: RunBroker server.properties
 */
public final class RunBroker {
    private RunBroker() {}

    public static void main(String[] arguments) {
        Thread watch = new Thread(RunBroker::haltAtEndOfInput, "owner-watch");
        watch.setDaemon(true);
        watch.start();
        kafka.Kafka.main(arguments);
    }

    private static void haltAtEndOfInput() {
        try {
            while (System.in.read() >= 0) continue;
        } catch (IOException error) {
            // An unreadable input says the same as an ended one.
        }
        Runtime.getRuntime().halt(1);
    }
}
