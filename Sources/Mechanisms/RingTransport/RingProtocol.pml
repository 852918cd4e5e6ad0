/* The protocol of one ring, for spin: a producer and a consumer that see each other's stores late,
 * sleep without a time limit, close, and may be killed before any step. "Model checking" in this
 * module's documentation explains it; ModelCheckingTests runs it.
 *
 * Macros choose what is checked:
 *   MESSAGES=n        messages sent through a ring (4)
 *   EVERYWHERE        the sleeper brings the barrier for both, by membarrier(2); else two fences
 *   KILL              one process may be killed; the other then starts over with a new peer on a
 *                     new ring
 * and each of these breaks the protocol, so that spin must find an error:
 *   NO_WAKER_BARRIER NO_SLEEPER_BARRIER FLAG_BEFORE_PUBLICATION NO_SECOND_LOOK
 *   TICKET_AFTER_LOOK WAKE_BEFORE_RING PUBLISH_BEFORE_WRITE RELEASE_BEFORE_READ NO_SKIP
 *   NO_LOOK_AFTER_CLOSE NO_LOOK_AFTER_DEATH CLOSE_WITHOUT_RING SAME_RING
 */
#ifndef MESSAGES
#define MESSAGES 4
#endif

/* Records take 1 or 2 units of a ring of 4: at most half, so that one fits behind any skip. */
#define CAPACITY 4

/* Cells of shared memory behind the units. */
#define TAIL 4
#define HEAD 5
#define DATA_WORD 6
#define DATA_FLAG 7
#define ROOM_WORD 8
#define ROOM_FLAG 9
#define STATE 10  /* and 11: closed when 1, by role */
#define CELLS 12

#define PRODUCER 0
#define CONSUMER 1

/* A header: never 0, and another one for each record that a ring carries. */
#define SKIP_HEADER(sequence) (1 + 4 * (sequence))
#define MESSAGE_HEADER(sequence, size) (1 + 4 * (sequence) + (size))
/* What a message of two units carries: another value for each message of each ring. */
#define PAYLOAD(number) (128 + 16 * g + (number))

typedef Memory { byte cell[CELLS] }
Memory memory[2];  /* a ring, and the one that replaces it */

#ifdef SAME_RING
#define M memory[0]
#else
#define M memory[g]
#endif

/* Each processor's stores that memory has not seen: in order, as on x86. [ring, role] */
#ifndef PENDING
#define PENDING 3
#endif
chan buffer[4] = [PENDING] of { byte, byte };
#define OWN buffer[2 * g + me]
#define PEERS buffer[2 * g + 1 - me]

bool sleeping[4];  /* queued in the kernel, [ring, role] */
bool killed[2];    /* on the first ring, by role */
bool gone[2];      /* has ended by that */
#ifdef KILL
/* The kernel tells of an end only when the processor has left the process, its stores made. */
#define PEER_IS_GONE (g == 0 && gone[1 - me] && empty(PEERS))
#else
#define PEER_IS_GONE false
#endif
byte early = 1;    /* sleeps that may still end early: a slice, a signal */
byte ended;        /* processes of the first ring that ended by themselves or noticed a death */

/* Memory takes stores whenever it likes. It outlives its process: what was stored is stored. */
proctype Buffer(byte g; byte me) {
    byte cell, value;
end:
    do
    :: atomic { OWN ? cell, value; M.cell[cell] = value; cell = 0; value = 0 }
    od
}

#define STORE(cell, value) OWN ! cell, value
#define FENCE empty(OWN)

#ifdef EVERYWHERE
/* membarrier(2): at one moment both processors have nothing pending. */
#define SLEEPER_BARRIER empty(OWN) && empty(PEERS)
#define WAKER_BARRIER true
#else
#define SLEEPER_BARRIER FENCE
#define WAKER_BARRIER FENCE
#endif
#ifdef NO_SLEEPER_BARRIER
#undef SLEEPER_BARRIER
#define SLEEPER_BARRIER true
#endif
#ifdef NO_WAKER_BARRIER
#undef WAKER_BARRIER
#define WAKER_BARRIER true
#endif

/* A waker reads its own pending store, which can only lower the flag, before memory. */
#define FLAG_IS_UP(flag) (!(OWN ?? [flag, 0]) && M.cell[flag] == 1)

inline increment(word) { atomic { FENCE -> M.cell[word]++ } }  /* a locked instruction */
inline wake() { sleeping[2 * g + 1 - me] = false }

inline ring_bell(word) {
#ifdef WAKE_BEFORE_RING
    wake();
    increment(word)
#else
    increment(word);
    wake()
#endif
}

/* Shows `value` in the counter `condition`, then wakes the peer if it sleeps. */
inline publish(condition, value, flag, word) {
#ifdef FLAG_BEFORE_PUBLICATION
    isUp = FLAG_IS_UP(flag);
    STORE(condition, value);
    WAKER_BARRIER;
#else
    STORE(condition, value);
    WAKER_BARRIER;
    isUp = FLAG_IS_UP(flag);
#endif
    if
    :: isUp -> isUp = false; STORE(flag, 0); ring_bell(word)
    :: else
    fi
}

inline close_end(word) {
    STORE(STATE + me, 1);
#ifndef CLOSE_WITHOUT_RING
    ring_bell(word)
#endif
}

inline arm(flag, word) {
#ifdef TICKET_AFTER_LOOK
    STORE(flag, 1);
    SLEEPER_BARRIER
#else
    ticket = M.cell[word];
    STORE(flag, 1);
    SLEEPER_BARRIER
#endif
}

/* The kernel compares and queues under one lock. A slice ends by itself only where it is said:
 * once at any time, and after a death, which is what slices are for. */
inline futex_wait(word) {
#ifdef TICKET_AFTER_LOOK
    ticket = M.cell[word];
#endif
    atomic {
        if
        :: M.cell[word] == ticket -> sleeping[2 * g + me] = true
        :: else
        fi;
        ticket = 0
    }
    if
    :: !sleeping[2 * g + me]
    :: atomic { sleeping[2 * g + me] && early > 0 -> early--; sleeping[2 * g + me] = false }
    :: atomic { sleeping[2 * g + me] && PEER_IS_GONE -> sleeping[2 * g + me] = false }
    fi
}

/* Whether `size` units are there behind the tail, or at the start when they would cross the end. */
inline look_for_room() {
    needed = size;
    if
    :: size > CAPACITY - tail % CAPACITY -> needed = size + CAPACITY - tail % CAPACITY
    :: else
    fi;
#ifdef NO_SKIP
    needed = size;
#endif
    if
    :: CAPACITY - (tail - known) < needed -> known = M.cell[HEAD]
    :: else
    fi;
    assert(known <= tail && tail - known <= CAPACITY);
    isReady = CAPACITY - (tail - known) >= needed
}

inline write_record() {
#ifndef NO_SKIP
    if
    :: needed > size ->
        STORE(tail % CAPACITY, SKIP_HEADER(sequence));
        tail = tail + needed - size;
        sequence++
    :: else
    fi;
#endif
#ifdef PUBLISH_BEFORE_WRITE
    publish(TAIL, tail + size, DATA_FLAG, DATA_WORD);
#endif
    if
    :: size == 2 -> STORE((tail + 1) % CAPACITY, PAYLOAD(number))
    :: else
    fi;
    STORE(tail % CAPACITY, MESSAGE_HEADER(sequence, size));
    sequence++;
    tail = tail + size
}

proctype Producer(byte g) {
    byte me = PRODUCER;
    byte tail, known, sequence, number, size, needed, ticket;
    bool isReady, isUp;
    {
        do
        :: number < MESSAGES ->
            if
            :: size = 1
            :: size = 2
            fi;
            if
            :: M.cell[STATE + CONSUMER] == 1 -> goto closed
            :: else
            fi;
            look_for_room();
            do
            :: isReady -> break
            :: else ->
                arm(ROOM_FLAG, ROOM_WORD);
#ifndef NO_SECOND_LOOK
                if
                :: M.cell[STATE + CONSUMER] == 1 -> goto closed
                :: else
                fi;
                look_for_room();
#endif
                if
                :: !isReady ->
                    futex_wait(ROOM_WORD);
                    if
                    :: M.cell[STATE + CONSUMER] == 1 -> goto closed
                    :: else
                    fi;
                    look_for_room();
                    if
                    :: !isReady && PEER_IS_GONE -> goto closed
                    :: else
                    fi
                :: else
                fi;
                STORE(ROOM_FLAG, 0)
            od;
            write_record();
#ifndef PUBLISH_BEFORE_WRITE
            publish(TAIL, tail, DATA_FLAG, DATA_WORD);
#endif
            number++
        :: else -> break
        od;
        close_end(DATA_WORD);
closed:
        skip
    } unless {
#ifdef KILL
        atomic { g == 0 && killed[PRODUCER] -> gone[PRODUCER] = true }
#else
        false
#endif
    };
    /* What an ended process still holds would only multiply states. */
    d_step {
        tail = 0; known = 0; sequence = 0; number = 0; size = 0; needed = 0; ticket = 0;
        isReady = false; isUp = false;
        sleeping[2 * g + me] = false;
        ended++
    }
}

inline look_for_record() {
    if
    :: head == known -> known = M.cell[TAIL]
    :: else
    fi;
    assert(known >= head && known - head <= CAPACITY);
    isReady = head != known
}

inline look_for_record_or_end() {
    look_for_record();
    if
    :: !isReady && M.cell[STATE + PRODUCER] == 1 ->
#ifndef NO_LOOK_AFTER_CLOSE
        look_for_record();
#endif
        if
        :: !isReady -> isClosed = true
        :: else
        fi
    :: else
    fi
}

inline read_record() {
    size = 1;
    if
    :: M.cell[head % CAPACITY] == SKIP_HEADER(sequence) ->
        assert(head % CAPACITY != 0);
        head = head + CAPACITY - head % CAPACITY;
        sequence++;
        assert(head != known)
    :: else
    fi;
#ifdef RELEASE_BEFORE_READ
    if
    :: M.cell[head % CAPACITY] == MESSAGE_HEADER(sequence, 2) -> size = 2
    :: else
    fi;
    publish(HEAD, head + size, ROOM_FLAG, ROOM_WORD);
#endif
    if
    :: M.cell[head % CAPACITY] == MESSAGE_HEADER(sequence, 2) ->
        size = 2;
        /* Neither lost nor repeated nor torn nor of another ring. */
        assert(head % CAPACITY + 2 <= CAPACITY);
        assert(M.cell[head % CAPACITY + 1] == PAYLOAD(number))
    :: else -> assert(M.cell[head % CAPACITY] == MESSAGE_HEADER(sequence, 1))
    fi;
    assert(known - head >= size);
    sequence++;
    number++;
    head = head + size
}

proctype Consumer(byte g) {
    byte me = CONSUMER;
    byte head, known, sequence, number, size, ticket;
    bool isReady, isUp, isClosed;
    {
        do
        :: look_for_record();
            do
            :: isReady || isClosed -> break
            :: else ->
                arm(DATA_FLAG, DATA_WORD);
#ifndef NO_SECOND_LOOK
                look_for_record_or_end();
#endif
                if
                :: !isReady && !isClosed ->
                    futex_wait(DATA_WORD);
                    look_for_record_or_end();
                    if
                    :: !isReady && !isClosed && PEER_IS_GONE ->
#ifndef NO_LOOK_AFTER_DEATH
                        look_for_record();
#endif
                        isClosed = !isReady
                    :: else
                    fi
                :: else
                fi;
                STORE(DATA_FLAG, 0)
            od;
            if
            :: isClosed -> goto closed
            :: else
            fi;
            read_record();
#ifndef RELEASE_BEFORE_READ
            publish(HEAD, head, ROOM_FLAG, ROOM_WORD)
#endif
        :: number == 2 -> break  /* or the consumer has had enough */
        od;
        close_end(ROOM_WORD);
        goto over;
closed:
        /* Whoever closes, and whoever dies, leaves everything that was published to be read. */
        assert(head == M.cell[TAIL]);
        assert(PEER_IS_GONE || number == MESSAGES);
over:
        skip
    } unless {
#ifdef KILL
        atomic { g == 0 && killed[CONSUMER] -> gone[CONSUMER] = true }
#else
        false
#endif
    };
    d_step {
        head = 0; known = 0; sequence = 0; number = 0; size = 0; ticket = 0;
        isReady = false; isUp = false; isClosed = false;
        sleeping[2 * g + me] = false;
        ended++
    }
}

init {
    byte unused;
    atomic {
        run Buffer(0, PRODUCER);
        run Buffer(0, CONSUMER);
        run Producer(0);
        run Consumer(0)
    }
#ifdef KILL
    if
    :: killed[PRODUCER] = true
    :: killed[CONSUMER] = true
    fi;
    ended == 2;
    if
    :: gone[PRODUCER] || gone[CONSUMER] ->
        atomic {
#ifndef SAME_RING
            empty(buffer[PRODUCER]) && empty(buffer[CONSUMER]);
            for (unused : 0 .. CELLS - 1) { memory[0].cell[unused] = 0 }
            unused = 0;
#endif
            killed[PRODUCER] = false;
            killed[CONSUMER] = false;
            gone[PRODUCER] = false;
            gone[CONSUMER] = false;
            early = 0;
            run Buffer(1, PRODUCER);
            run Buffer(1, CONSUMER);
            run Producer(1);
            run Consumer(1)
        }
    :: else
    fi
#endif
}
