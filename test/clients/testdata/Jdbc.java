// What users of JDBC do.
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.StringReader;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.sql.*;
import java.util.HexFormat;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicBoolean;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.copy.CopyManager;
import org.postgresql.util.PSQLException;
import org.postgresql.util.ServerErrorMessage;

public class Jdbc {
    static final boolean core = System.getenv("CORE") != null;

    static Connection connect(String... options) throws SQLException {
        Properties p = new Properties();
        p.setProperty("user", System.getenv("PGUSER"));
        p.setProperty("password", System.getenv("PGPASSWORD"));
        for (int i = 0; i < options.length; i += 2) p.setProperty(options[i], options[i + 1]);
        return DriverManager.getConnection("jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE"), p);
    }

    static void print(ResultSet rs, String... columns) throws SQLException {
        ResultSetMetaData m = rs.getMetaData();
        while (rs.next()) {
            StringBuilder line = new StringBuilder();
            if (columns.length > 0) {
                for (String c : columns) line.append(rs.getString(c)).append(" | ");
            } else {
                for (int i = 1; i <= m.getColumnCount(); i++) {
                    String v = rs.getString(i);
                    if (v != null && v.startsWith("[B@")) v = HexFormat.of().formatHex(rs.getBytes(i));
                    line.append(v).append(" | ");
                }
            }
            System.out.println(line);
        }
        rs.close();
    }

    static void failed(SQLException e) {
        System.out.print(e.getSQLState());
        ServerErrorMessage s = e instanceof PSQLException ? ((PSQLException) e).getServerErrorMessage() : null;
        if (s != null) System.out.print(" " + s.getSeverity() + ": " + s.getMessage() + " (" + s.getDetail() + ") " + s.getConstraint() + " " + s.getPosition() + " " + s.getRoutine());
        System.out.println();
    }

    public static void main(String[] args) throws Exception {
        for (String mode : new String[] {"extended", "extendedCacheEverything", "simple"}) {
            for (String threshold : mode.equals("extended") ? new String[] {"-1", "5"} : new String[] {"5"}) {
                System.out.println("== " + mode + " " + threshold);
                try (Connection c = connect("preferQueryMode", mode, "prepareThreshold", threshold)) {
                    use(c, !mode.equals("simple"));
                }
            }
        }
        try (Connection c = connect()) {
            introspect(c);
            listen(c);
            if (!core) opaque(c);
        }
    }

    static void use(Connection c, boolean extended) throws Exception {
        try (PreparedStatement ps = c.prepareStatement("SELECT id, name, ssn, card, born FROM clinic.patients WHERE id < ? ORDER BY id")) {
            for (int i = 0; i < 7; i++) {
                ps.setInt(1, i);
                print(ps.executeQuery());
            }
            ResultSetMetaData m = ps.getMetaData();
            for (int i = 1; i <= m.getColumnCount(); i++) System.out.print(m.getColumnName(i) + " " + m.getColumnTypeName(i) + " " + m.isNullable(i) + ", ");
            System.out.println(ps.getParameterMetaData().getParameterTypeName(1));
        }
        try (Statement s = c.createStatement()) {
            print(s.executeQuery("SELECT * FROM clinic.kinds ORDER BY id"));
            boolean rows = s.execute("SELECT 1 AS a; UPDATE clinic.items SET id = 1 WHERE id = 0; SELECT 2");
            for (; rows || s.getUpdateCount() >= 0; rows = s.getMoreResults()) {
                if (rows) print(s.getResultSet());
                else System.out.println(s.getUpdateCount());
            }
            s.execute("");
        }
        try (PreparedStatement ps = c.prepareStatement("SELECT ?::int[], ?::jsonb, ?::bytea, ?::timestamp")) {
            ps.setArray(1, c.createArrayOf("int4", new Object[] {1, null, 3}));
            ps.setObject(2, "{\"k\": [1]}", Types.OTHER);
            if (extended) ps.setBytes(3, new byte[] {0, -1});
            else ps.setString(3, "\\x00ff"); // what this version writes for bytes does not parse
            ps.setTimestamp(4, Timestamp.valueOf("2026-01-02 03:04:05.5"));
            print(ps.executeQuery());
        }
        // Batches are pipelines.
        try (PreparedStatement ps = c.prepareStatement("INSERT INTO clinic.items VALUES (?, ?, ?)")) {
            for (int i = 0; i < 500; i++) {
                ps.setInt(1, i);
                ps.setString(2, "batch");
                ps.setBigDecimal(3, new java.math.BigDecimal(i));
                ps.addBatch();
            }
            System.out.println(ps.executeBatch().length);
        }
        try (PreparedStatement ps = c.prepareStatement("INSERT INTO clinic.visits (patient_id) VALUES (?)", Statement.RETURN_GENERATED_KEYS)) {
            ps.setInt(1, 1);
            System.out.println(ps.executeUpdate());
            ResultSet keys = ps.getGeneratedKeys();
            System.out.println(keys.next() && keys.getInt(1) > 20);
            ps.setInt(1, 12345);
            ps.executeUpdate();
        } catch (SQLException e) {
            failed(e);
        }
        try (Statement s = c.createStatement()) {
            s.executeQuery("SELECT nothing FROM clinic.visits");
        } catch (SQLException e) {
            failed(e);
        }
        // Transactions, savepoints, fetch sizes.
        c.setAutoCommit(false);
        c.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
        try (Statement s = c.createStatement()) {
            s.executeUpdate("INSERT INTO clinic.items VALUES (9000, 'kept', 1)");
            Savepoint sp = c.setSavepoint("s");
            try {
                s.executeQuery("SELECT 1/0");
            } catch (SQLException e) {
                failed(e);
            }
            try {
                s.executeQuery("SELECT 1");
            } catch (SQLException e) {
                failed(e);
            }
            c.rollback(sp);
            s.setFetchSize(2);
            print(s.executeQuery("SELECT id, ssn FROM clinic.patients ORDER BY id"), "id", "ssn");
            s.setFetchSize(100);
            ResultSet rs = s.executeQuery("SELECT id, label FROM clinic.items ORDER BY id, label");
            int n = 0;
            while (rs.next()) n++;
            System.out.println(n);
            rs = s.executeQuery("SELECT i FROM generate_series(1, 100000) i");
            rs.next();
            rs.close(); // the portal is closed early
        }
        c.commit();
        c.setReadOnly(true);
        try (Statement s = c.createStatement()) {
            s.executeUpdate("DELETE FROM clinic.items WHERE id = 9000");
        } catch (SQLException e) {
            failed(e);
        }
        c.rollback();
        c.setReadOnly(false);
        c.setAutoCommit(true);
        // COPY both ways.
        CopyManager copy = new CopyManager(c.unwrap(org.postgresql.core.BaseConnection.class));
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < 5000; i++) lines.append(10000 + i).append("\tcopied\t\\N\n");
        System.out.println(copy.copyIn("COPY clinic.items FROM STDIN", new StringReader(lines.toString())));
        StringWriter out = new StringWriter();
        System.out.println(copy.copyOut("COPY (SELECT * FROM clinic.items WHERE id >= 14998 ORDER BY id) TO STDOUT (FORMAT csv)", out) + " " + out);
        try {
            copy.copyIn("COPY clinic.items FROM STDIN", new ByteArrayInputStream("bad\tline\n".getBytes(StandardCharsets.UTF_8)));
        } catch (SQLException e) {
            failed(e);
        }
        if (extended) {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            copy.copyOut("COPY (SELECT id FROM clinic.visits WHERE id < 5) TO STDOUT (FORMAT binary)", bytes);
            System.out.println(bytes.size());
        }
        // Cancel: by a time limit, and from another thread.
        if (extended) {
            try (Statement s = c.createStatement()) {
                s.setQueryTimeout(1);
                s.executeQuery("SELECT pg_sleep(60)");
            } catch (SQLException e) {
                failed(e);
            }
        }
        try (Statement s = c.createStatement()) {
            AtomicBoolean done = new AtomicBoolean();
            Thread t = new Thread(() -> {
                while (!done.get()) {
                    try {
                        Thread.sleep(200);
                        if (!done.get()) s.cancel();
                    } catch (Exception e) {
                        throw new RuntimeException(e);
                    }
                }
            });
            t.start();
            try {
                s.executeQuery("SELECT pg_sleep(60)");
            } catch (SQLException e) {
                failed(e);
            }
            done.set(true);
            t.join();
        }
        System.out.println(c.isValid(5));
        try (Statement s = c.createStatement()) {
            s.executeUpdate("DELETE FROM clinic.items WHERE id >= 0");
        }
    }

    static void introspect(Connection c) throws SQLException {
        DatabaseMetaData m = c.getMetaData();
        System.out.println(m.getDatabaseProductName() + " " + m.getDatabaseMajorVersion());
        print(m.getSchemas());
        print(m.getTables(null, "clinic", "%", new String[] {"TABLE", "VIEW"}), "TABLE_NAME", "TABLE_TYPE", "REMARKS");
        print(m.getColumns(null, "clinic", "%", "%"), "TABLE_NAME", "COLUMN_NAME", "TYPE_NAME", "COLUMN_SIZE", "NULLABLE", "COLUMN_DEF");
        print(m.getPrimaryKeys(null, "clinic", "patients"), "COLUMN_NAME", "PK_NAME");
        print(m.getImportedKeys(null, "clinic", "visits"), "PKTABLE_NAME", "FKCOLUMN_NAME", "FK_NAME");
        print(m.getIndexInfo(null, "clinic", "visits", false, false), "INDEX_NAME", "COLUMN_NAME", "NON_UNIQUE");
        print(m.getProcedures(null, "clinic", "%"), "PROCEDURE_NAME");
        print(m.getFunctions(null, "clinic", "%"), "FUNCTION_NAME");
        print(m.getTypeInfo(), "TYPE_NAME");
        print(m.getTablePrivileges(null, "clinic", "patients"), "GRANTEE", "PRIVILEGE");
        System.out.println(m.getMaxColumnNameLength() + " " + m.getSQLKeywords().length());
        System.out.println(c.getCatalog() + " " + c.getTransactionIsolation() + " " + c.isReadOnly());
    }

    static void listen(Connection c) throws Exception {
        try (Connection other = connect(); Statement s = c.createStatement(); Statement o = other.createStatement()) {
            s.execute("LISTEN news");
            o.execute("NOTIFY news, 'extra'");
            PGNotification[] n = c.unwrap(PGConnection.class).getNotifications(10000);
            System.out.println(n[0].getName() + " " + (core ? "payload" : n[0].getParameter()) + " " + (n[0].getPID() == other.unwrap(PGConnection.class).getBackendPID()));
        }
    }

    static void opaque(Connection c) throws Exception {
        try (CallableStatement call = c.prepareCall("{? = call clinic.shout(?)}")) {
            call.registerOutParameter(1, Types.VARCHAR);
            call.setString(2, "x");
            call.execute();
            System.out.println(call.getString(1) + " " + call.getWarnings().getMessage());
        }
        try (Statement s = c.createStatement()) {
            s.execute("CREATE TEMP TABLE mine (a int PRIMARY KEY, b text)");
            s.execute("INSERT INTO mine VALUES (1, 'one'), (2, 'two')");
        }
        try (Statement s = c.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE)) {
            ResultSet rs = s.executeQuery("SELECT a, b FROM mine ORDER BY a");
            rs.absolute(2);
            rs.updateString("b", "changed");
            rs.updateRow();
            rs.beforeFirst();
            print(rs);
        }
    }
}
